"""RetinaNet's head with a factor for each anchor of its classification loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmdet.models import RetinaHead
from torch import Tensor

from gbss.detection.observed import ObservedHead


class WeightedRetinaHead(ObservedHead, RetinaHead):
    """mmdet's RetinaNet head; its samples are the anchors, level after level.

    An anchor is of the class of its object, of the background, or of none: then its label weight
    is 0. The losses are divided by the number of positive anchors, as without factors, or by a
    larger one.

    Attributes:
        divisor: What the last losses were divided by.
    """

    divisor = 0.0
    _least = 0.0

    @contextmanager
    def divided_by_at_least(self, least: float) -> Iterator[None]:
        """Within it, losses are divided by ``least`` where there are fewer positive anchors."""
        self._least = least
        try:
            yield
        finally:
            self._least = 0.0

    def loss_by_feat_single(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        anchors: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        *args: Any,
        avg_factor: float,
    ) -> Any:
        """The losses of a level, see mmdet; the factors come with its label weights."""
        self.divisor = max(float(avg_factor), self._least)
        if self._observer is not None:
            # In mmdet's order: images, cells, anchors of a cell.
            logits = cls_score.detach().permute(0, 2, 3, 1).reshape(-1, self.cls_out_channels)
            # All levels have one divisor.
            share = self.divisor / self.prior_generator.num_levels
            found = self._observer(logits, labels.flatten(), label_weights.flatten(), divisor=share)
            if found is not None:
                label_weights = label_weights * found.view_as(label_weights)
        return super().loss_by_feat_single(
            cls_score, bbox_pred, anchors, labels, label_weights, *args, avg_factor=self.divisor
        )

    def predict_by_feat(self, *args: Any, **kwargs: Any) -> Any:
        """The detections of mmdet, which are told to the listener."""
        results = super().predict_by_feat(*args, **kwargs)
        self.tell(results)
        return results
