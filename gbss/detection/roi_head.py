"""An RoI head that leaves out what a step computes and does not use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmdet.models import StandardRoIHead


class RoIHead(StandardRoIHead):
    """mmdet's RoI head, of which a part of a step may ask for one of its two losses.

    Soft Teacher classifies one set of regions and moves the boxes of another, but sends both sets
    through everything. The losses that remain, and their gradients, are those of mmdet.
    """

    _boxes_alone = False

    @contextmanager
    def classes_alone(self) -> Iterator[None]:
        """Within it, regions are classified and no boxes are predicted."""
        head = self.bbox_head
        before, head.with_reg = head.with_reg, False
        try:
            yield
        finally:
            head.with_reg = before

    @contextmanager
    def boxes_alone(self) -> Iterator[None]:
        """Within it, nothing is classified and `loss` looks at positive regions alone."""
        head = self.bbox_head
        before, head.with_cls = head.with_cls, False
        self._boxes_alone = True
        try:
            yield
        finally:
            self._boxes_alone, head.with_cls = False, before

    def bbox_loss(self, x: Any, sampling_results: Any) -> dict[str, Any]:
        """The losses of the sampled regions, see mmdet."""
        if not self._boxes_alone:
            return super().bbox_loss(x, sampling_results)
        regions = sum(len(result.priors) for result in sampling_results)
        for result in sampling_results:
            result.neg_priors = result.neg_priors[:0]
        positive = sum(len(result.pos_priors) for result in sampling_results)
        found: dict[str, Any] = super().bbox_loss(x, sampling_results)
        # mmdet divides by the number of all sampled regions, which here are the positive ones.
        loss = found["loss_bbox"]["loss_bbox"]
        found["loss_bbox"] = {"loss_bbox": loss * (positive / max(regions, 1))}
        return found
