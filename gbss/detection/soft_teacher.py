"""mmdet's Soft Teacher with the method beside it."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from mmdet.models import SoftTeacher as MMDetSoftTeacher
from mmdet.registry import MODELS
from torch import Tensor

from gbss.detection.method import Method
from gbss.errors import fail


class SoftTeacher(MMDetSoftTeacher):
    """Soft Teacher that shows its samples to a `Method` and uses the method's thresholds.

    The method stands beside student and teacher: inside the student, the teacher would average it.
    The labeled and the pseudo-labeled classification losses are shown to it; the second pass over
    the unlabeled images, of which only the box regression counts, is not.

    Args:
        method: Configuration of a `Method`; None: nothing but mmdet's Soft Teacher, as for testing.
        **kwargs: See mmdet.
    """

    def __init__(self, *, method: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.method: Method | None = None if method is None else MODELS.build(method)

    def loss(self, multi_batch_inputs: Any, multi_batch_data_samples: Any) -> dict[str, Any]:
        """The losses of both branches, and the one that fits the class weights; see mmdet."""
        losses: dict[str, Any] = super().loss(multi_batch_inputs, multi_batch_data_samples)
        if self.method is not None:
            losses |= self.method.end()
        return losses

    def loss_by_gt_instances(self, batch_inputs: Tensor, batch_data_samples: Any) -> dict[str, Any]:
        """The losses of the labeled images, see mmdet."""
        if self.method is None:
            return super().loss_by_gt_instances(batch_inputs, batch_data_samples)
        head = self.student.roi_head.bbox_head
        with head.shown_to(partial(self.method.observe, "labeled")):
            return super().loss_by_gt_instances(batch_inputs, batch_data_samples)

    def get_pseudo_instances(self, batch_inputs: Tensor, batch_data_samples: Any) -> Any:
        """The teacher's detections above the first score threshold, see mmdet."""
        if self.method is None:
            return super().get_pseudo_instances(batch_inputs, batch_data_samples)
        with self.teacher.roi_head.bbox_head.heard_by(self.method.note_detections):
            samples, info = super().get_pseudo_instances(batch_inputs, batch_data_samples)
        found = [(sample.gt_instances.scores, sample.gt_instances.labels) for sample in samples]
        self.method.note_pseudo_labels([sample.img_id for sample in samples], found)
        return samples, info

    def rcnn_cls_loss_by_pseudo_instances(
        self, x: Any, unsup_rpn_results_list: Any, batch_data_samples: Any, batch_info: Any
    ) -> dict[str, Any]:
        """The classification loss of the unlabeled images, see mmdet.

        A student whose region proposals have all degenerated would make mmdet stop with
        ``KeyError: 'loss_cls'``, as its box head then has nothing to classify.

        Raises:
            GbssError: The student proposes no region in any unlabeled image.
        """
        if not any(len(proposals) for proposals in unsup_rpn_results_list):
            raise fail(
                "training",
                found="no region proposals of positive size in any unlabeled image",
                expected="a student that has not diverged",
                fix="lower the learning rate or lengthen the warm-up of the scale",
            )
        loss = super().rcnn_cls_loss_by_pseudo_instances
        observer = None
        if self.method is not None:
            observer = partial(self.method.observe, "pseudo")
            if self.method.class_wise:
                above = self._above_thresholds
                batch_data_samples = [above(sample) for sample in batch_data_samples]
        head, teacher = self.student.roi_head, self.teacher.roi_head
        with head.classes_alone(), teacher.classes_alone(), head.bbox_head.shown_to(observer):
            return loss(x, unsup_rpn_results_list, batch_data_samples, batch_info)

    def rcnn_reg_loss_by_pseudo_instances(
        self, x: Any, unsup_rpn_results_list: Any, batch_data_samples: Any
    ) -> dict[str, Any]:
        """The box loss of the unlabeled images, see mmdet."""
        with self.student.roi_head.boxes_alone():
            found: dict[str, Any] = super().rcnn_reg_loss_by_pseudo_instances(
                x, unsup_rpn_results_list, batch_data_samples
            )
        return found

    def _above_thresholds(self, sample: Any) -> Any:
        """The sample with its pseudo labels alone; mmdet's constant lets them all by."""
        assert self.method is not None
        boxes = sample.gt_instances
        sample = copy.copy(sample)
        sample.gt_instances = boxes[self.method.kept_of(boxes.scores, boxes.labels)]
        return sample
