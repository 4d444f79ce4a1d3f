"""What every detector of a row shares: a student, its averaged teacher, a method beside them."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from mmdet.models import SemiBaseDetector
from mmdet.registry import MODELS
from mmengine.optim import OptimWrapper
from torch import Tensor

from gbss.detection.calibration import PrototypeCalibration
from gbss.detection.method import Method
from gbss.detection.observed import observed_head
from gbss.detection.parts import Share, train_step
from gbss.imbalance.gradients import Branch

CLASSIFIER = "roi_head.bbox_head.fc_cls."
"""Where the parameters of a classifier stand in student and teacher."""


class DetectorWithMethod(SemiBaseDetector):
    """A student and a teacher whose classification losses are shown to a `Method`.

    The method stands beside student and teacher: inside the student, the teacher would average it.

    Args:
        method: Configuration of a `Method`; None: nothing is shown to anybody, as for testing.
        **kwargs: See mmdet. ``semi_train_cfg.classifier_alone`` freezes all of the student but its
            classifier.
    """

    def __init__(self, *, method: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.method: Method | None = None if method is None else MODELS.build(method)
        self.calibration: PrototypeCalibration | None = None
        if self.semi_train_cfg.get("classifier_alone", False):
            for name, parameter in self.student.named_parameters():
                parameter.requires_grad_(name.startswith(CLASSIFIER))
        self.share: Share | None = None
        self.ends_step = True

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """See `gbss.detection.parts`."""
        return train_step(self, data, optim_wrapper)

    def loss(self, multi_batch_inputs: Any, multi_batch_data_samples: Any) -> dict[str, Any]:
        """The losses of all branches, and the one that fits the class weights.

        They are those of one part of the batch: divided by the number of parts, except for the
        last one, which the last part has for all of them.
        """
        losses = self.branch_losses(multi_batch_inputs, multi_batch_data_samples)
        if self.share is not None and self.share.count > 1:
            losses = {name: _over(value, self.share.count) for name, value in losses.items()}
        if not self.ends_step:
            return losses
        own = observed_head(self.student).own_loss
        if own is not None:
            own.step()
        if self.method is not None:
            losses |= self.method.end()
        return losses

    def branch_losses(self, inputs: dict[str, Tensor], samples: dict[str, Any]) -> dict[str, Any]:
        """The losses of all branches, see mmdet.

        Args:
            inputs: Branch → images (N, 3, H, W).
            samples: Branch → the images' annotations.
        """
        found: dict[str, Any] = super().loss(inputs, samples)
        return found

    def observer(self, branch: Branch) -> Any:
        """Whom the losses of a branch are shown to."""
        return None if self.method is None else partial(self.method.observe, branch)

    def loss_by_gt_instances(self, batch_inputs: Tensor, batch_data_samples: Any) -> dict[str, Any]:
        """The losses of the labeled images, see mmdet."""
        with observed_head(self.student).shown_to(self.observer("labeled")):
            found: dict[str, Any] = super().loss_by_gt_instances(batch_inputs, batch_data_samples)
        return found

    def get_pseudo_instances(self, batch_inputs: Tensor, batch_data_samples: Any) -> Any:
        """The teacher's detections on unlabeled images, see mmdet."""
        if self.method is None:
            return super().get_pseudo_instances(batch_inputs, batch_data_samples)
        with observed_head(self.teacher).heard_by(self.method.note_detections):
            samples, info = super().get_pseudo_instances(batch_inputs, batch_data_samples)
        found = [(sample.gt_instances.scores, sample.gt_instances.labels) for sample in samples]
        self.method.note_pseudo_labels([sample.img_id for sample in samples], found)
        return samples, info

    def predict(self, batch_inputs: Tensor, batch_data_samples: Any) -> Any:
        """The results of the teacher, see mmdet."""
        with observed_head(self.teacher).final():
            samples = super().predict(batch_inputs, batch_data_samples)
        if self.calibration is not None:
            found = [sample.pred_instances for sample in samples]
            # Results are in pixels of the image file.
            factors = [found[0].bboxes.new_tensor(sample.scale_factor * 2) for sample in samples]
            boxes = [each.bboxes * factor for each, factor in zip(found, factors, strict=True)]
            descriptions = self.calibration.describe(batch_inputs, boxes)
            parts = descriptions.split([len(each) for each in found])
            for each, part in zip(found, parts, strict=True):
                each.scores = self.calibration(part, each.scores, each.labels)
        return samples

    def above_thresholds(self, sample: Any) -> Any:
        """The sample with those of its pseudo labels alone that pass the thresholds."""
        assert self.method is not None
        boxes = sample.gt_instances
        sample = copy.copy(sample)
        sample.gt_instances = boxes[self.method.kept_of(boxes.scores, boxes.labels)]
        return sample


def _over(value: Any, count: int) -> Any:
    return [item / count for item in value] if isinstance(value, list) else value / count
