"""Mean Teacher on a one-stage detector: pseudo labels above a threshold, for all its losses."""

from __future__ import annotations

from typing import Any

from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData
from torch import Tensor

from gbss.detection.semi import DetectorWithMethod

SAME_OBJECT = 0.5
"""Overlap (IoU) from which on two detections are of one object, as in suppression."""


class MeanTeacher(DetectorWithMethod):
    """mmdet's plain base of semi-supervised detectors with the method beside it (0071).

    The averaged teacher's detections on the weak view that pass the thresholds are the boxes of the
    strong view. What scores less, and is not yet background, is neither: anchors there are ignored.
    An unlabeled image never weighs more than a labeled one: where few pseudo labels would be what
    its losses are divided by, the positives of the labeled images are.

    Args:
        **kwargs: See `DetectorWithMethod`. ``semi_train_cfg.background_thr`` is the score up to
            which a detection is background.
    """

    def loss_by_gt_instances(self, batch_inputs: Tensor, batch_data_samples: Any) -> dict[str, Any]:
        """The losses of the labeled images, see mmdet."""
        losses = super().loss_by_gt_instances(batch_inputs, batch_data_samples)
        self._positives = self.student.bbox_head.divisor / len(batch_data_samples)
        return losses

    def loss_by_pseudo_instances(
        self, batch_inputs: Tensor, batch_data_samples: Any, batch_info: Any = None
    ) -> dict[str, Any]:
        """The losses of the unlabeled images, see mmdet.

        A batch without any pseudo label has the weight 0 there; so it is shown to nobody.
        """
        samples = [self._decided(sample) for sample in batch_data_samples]
        any_label = any(len(sample.gt_instances) for sample in samples)
        head = self.student.bbox_head
        least = self._positives * len(samples)
        observer = self.observer("pseudo") if any_label else None
        with head.divided_by_at_least(least), head.shown_to(observer):
            found: dict[str, Any] = super().loss_by_pseudo_instances(
                batch_inputs, samples, batch_info
            )
        return found

    def _decided(self, sample: Any) -> Any:
        """The sample with its pseudo labels; what is unsure and not one of them is ignored."""
        detected = sample.gt_instances
        sample = self.above_thresholds(sample)
        kept = sample.gt_instances
        assert self.method is not None
        unsure = ~self.method.kept_of(detected.scores, detected.labels)
        unsure &= detected.scores > self.semi_train_cfg["background_thr"]
        boxes = detected.bboxes[unsure]
        if len(kept) and len(boxes):
            boxes = boxes[bbox_overlaps(boxes, kept.bboxes).amax(1) < SAME_OBJECT]
        sample.ignored_instances = InstanceData(bboxes=boxes)
        return sample
