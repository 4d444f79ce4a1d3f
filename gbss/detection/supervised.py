"""The base detector alone: what the labeled images give without any unlabeled one."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gbss.detection.semi import DetectorWithMethod


class SupervisedDetector(DetectorWithMethod):
    """A student of the labeled images; its teacher is its running mean and teaches nobody.

    The mean is what is tested, as with the other detectors, so that they differ in the unlabeled
    images alone.
    """

    def branch_losses(self, inputs: dict[str, Tensor], samples: dict[str, Any]) -> dict[str, Any]:
        """The losses of the labeled images."""
        return self.loss_by_gt_instances(inputs["sup"], samples["sup"])
