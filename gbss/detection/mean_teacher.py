"""Mean Teacher: pseudo labels above a threshold, for any detector of mmdet."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gbss.detection.observed import observed_head
from gbss.detection.semi import DetectorWithMethod


class MeanTeacher(DetectorWithMethod):
    """mmdet's plain base of semi-supervised detectors with the method beside it (0071).

    The averaged teacher's detections on the weak view that pass the thresholds are the boxes of the
    strong view, for all losses of the detector. Nothing in it knows what kind of detector that is.
    """

    def loss_by_pseudo_instances(
        self, batch_inputs: Tensor, batch_data_samples: Any, batch_info: Any = None
    ) -> dict[str, Any]:
        """The losses of the unlabeled images, see mmdet.

        A batch without any pseudo label has the weight 0 there; so it is shown to nobody.
        """
        samples = [self.above_thresholds(sample) for sample in batch_data_samples]
        any_label = any(len(sample.gt_instances) for sample in samples)
        observer = self.observer("pseudo") if any_label else None
        with observed_head(self.student).shown_to(observer):
            found: dict[str, Any] = super().loss_by_pseudo_instances(
                batch_inputs, samples, batch_info
            )
        return found
