"""mmdet's Soft Teacher with the method beside it."""

from __future__ import annotations

from functools import partial
from typing import Any

from mmdet.models import SoftTeacher as MMDetSoftTeacher
from torch import Tensor

from gbss.detection import blending
from gbss.detection.semi import DetectorWithMethod
from gbss.errors import fail
from gbss.losses.daso import Daso


class SoftTeacher(DetectorWithMethod, MMDetSoftTeacher):
    """Soft Teacher that shows its samples to a `Method` and uses the method's thresholds.

    The labeled and the pseudo-labeled classification losses are shown to it; the second pass over
    the unlabeled images, of which only the box regression counts, is not.

    With DASO, the teacher's detections are blended before any threshold, and the student is
    aligned on those that become pseudo labels.
    """

    def _blender(self) -> Daso | None:
        """What blends pseudo labels in this iteration."""
        method = self.method
        if method is None or method.daso is None or not method.daso.ready(method.iteration):
            return None
        return method.daso

    def loss_by_gt_instances(self, batch_inputs: Tensor, batch_data_samples: Any) -> dict[str, Any]:
        """The losses of the labeled images, see mmdet."""
        losses = super().loss_by_gt_instances(batch_inputs, batch_data_samples)
        if self.method is not None and self.method.daso is not None:
            daso, samples = self.method.daso, batch_data_samples
            blending.observe_boxes(daso, self.teacher, batch_inputs, samples)
        return losses

    def get_pseudo_instances(self, batch_inputs: Tensor, batch_data_samples: Any) -> Any:
        """The teacher's detections on unlabeled images, see mmdet."""
        daso, head = self._blender(), self.teacher.roi_head
        if daso is None:
            return super().get_pseudo_instances(batch_inputs, batch_data_samples)
        with head.relabeled_by(partial(blending.relabel, daso, head)):
            return super().get_pseudo_instances(batch_inputs, batch_data_samples)

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
        if self.method is not None and self.method.class_wise:
            # mmdet's constant lets them all by.
            batch_data_samples = [self.above_thresholds(sample) for sample in batch_data_samples]
        head, teacher = self.student.roi_head, self.teacher.roi_head
        shown = head.bbox_head.shown_to(self.observer("pseudo"))
        with head.classes_alone(), teacher.classes_alone(), shown:
            losses = loss(x, unsup_rpn_results_list, batch_data_samples, batch_info)
        if (daso := self._blender()) is not None:
            kept = [self.above_thresholds(sample) for sample in batch_data_samples]
            losses["loss_semantics"] = blending.alignment(daso, head, x, kept)
        return losses

    def rcnn_reg_loss_by_pseudo_instances(
        self, x: Any, unsup_rpn_results_list: Any, batch_data_samples: Any
    ) -> dict[str, Any]:
        """The box loss of the unlabeled images, see mmdet."""
        with self.student.roi_head.boxes_alone():
            found: dict[str, Any] = super().rcnn_reg_loss_by_pseudo_instances(
                x, unsup_rpn_results_list, batch_data_samples
            )
        return found
