"""Unbiased Teacher: burn-in, then hard pseudo labels for classes and proposals."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.engine.hooks import MeanTeacherHook
from mmdet.models.utils import rename_loss_dict, reweight_loss_dict
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from gbss.detection.semi import DetectorWithMethod


class UnbiasedTeacher(DetectorWithMethod):
    """Unbiased Teacher (Liu et al., 2021) on mmdet's base of semi-supervised detectors.

    Both views of the labeled images are learned from. Until the burn-in is over there is nothing
    else; then the teacher's detections above the threshold are the boxes of the unlabeled images,
    for the student's proposals and its classes alike, and never for box regression. Weak and
    strong view share their geometry. The original: facebookresearch/unbiased-teacher,
    ubteacher/engine/trainer.py (0065).

    Args:
        **kwargs: See `DetectorWithMethod`. ``semi_train_cfg.burn_in`` is a number of iterations.
    """

    def branch_losses(self, inputs: dict[str, Tensor], samples: dict[str, Any]) -> dict[str, Any]:
        """The losses of the labeled images, and after the burn-in those of the unlabeled ones."""
        assert self.method is not None
        both = torch.cat([inputs["sup"], inputs["sup_weak"]])
        losses = self.loss_by_gt_instances(both, [*samples["sup"], *samples["sup_weak"]])
        if self.method.iteration < self.semi_train_cfg["burn_in"]:
            return losses
        found, _ = self.get_pseudo_instances(inputs["unsup_teacher"], samples["unsup_teacher"])
        projected = self.project_pseudo_instances(found, samples["unsup_student"])
        return losses | self.loss_by_pseudo_instances(inputs["unsup_student"], projected)

    def loss_by_pseudo_instances(
        self, batch_inputs: Tensor, batch_data_samples: Any, batch_info: Any = None
    ) -> dict[str, Any]:
        """The losses of the unlabeled images: proposals and classes; boxes are not regressed.

        Images without a pseudo label are background, as in the original; mmdet would leave a batch
        of them out.
        """
        samples = [self.above_thresholds(sample) for sample in batch_data_samples]
        head = self.student.roi_head
        with head.classes_alone(), head.bbox_head.shown_to(self.observer("pseudo")):
            losses = self.student.loss(batch_inputs, samples)
        kept = {name: value for name, value in losses.items() if "bbox" not in name}
        weighted = reweight_loss_dict(kept, self.semi_train_cfg["unsup_weight"])
        found: dict[str, Any] = rename_loss_dict("unsup_", weighted)
        return found


class BurnInTeacherHook(MeanTeacherHook):
    """The teacher is a copy of the student at the end of the burn-in, then its running mean.

    Args:
        burn_in: Iterations without a teacher; 0: it starts as a copy.
        momentum: Share of the student in each update.
    """

    def __init__(self, burn_in: int, momentum: float) -> None:
        super().__init__(momentum=momentum, skip_buffer=False)
        self.burn_in = burn_in

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Copies or updates the teacher."""
        done = runner.iter + 1
        if done == self.burn_in:
            model = runner.model
            self.momentum_update(model.module if is_model_wrapper(model) else model, 1.0)
        elif done > self.burn_in:
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
