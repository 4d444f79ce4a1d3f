"""mmdet's Soft Teacher, and what we need of it beyond that."""

from __future__ import annotations

from typing import Any

from mmdet.models import SoftTeacher as MMDetSoftTeacher

from gbss.errors import fail


class SoftTeacher(MMDetSoftTeacher):
    """Soft Teacher that says so when it has diverged.

    A student whose region proposals have all degenerated makes mmdet stop with
    ``KeyError: 'loss_cls'``, as its box head then has nothing to classify.
    """

    def rcnn_cls_loss_by_pseudo_instances(
        self, x: Any, unsup_rpn_results_list: Any, batch_data_samples: Any, batch_info: Any
    ) -> dict[str, Any]:
        """The classification loss of the unlabeled images, see mmdet.

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
        losses: dict[str, Any] = super().rcnn_cls_loss_by_pseudo_instances(
            x, unsup_rpn_results_list, batch_data_samples, batch_info
        )
        return losses
