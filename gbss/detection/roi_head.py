"""An RoI head that leaves out what a step computes and does not use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mmdet.models import StandardRoIHead
from mmdet.structures.bbox import bbox2roi
from torch import Tensor

Relabel = Callable[[Any, Any], None]
"""Features of a batch and its images' detections, whose scores and labels it may change."""


class RoIHead(StandardRoIHead):
    """mmdet's RoI head, of which a part of a step may ask for one of its two losses.

    Soft Teacher classifies one set of regions and moves the boxes of another, but sends both sets
    through everything. The losses that remain, and their gradients, are those of mmdet.
    """

    _boxes_alone = False
    _relabel: Relabel | None = None

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

    @contextmanager
    def relabeled_by(self, relabel: Relabel) -> Iterator[None]:
        """Within it, detections are shown to ``relabel`` before anybody else has them."""
        self._relabel = relabel
        try:
            yield
        finally:
            self._relabel = None

    def describe(self, x: Any, boxes: Sequence[Tensor]) -> Tensor:
        """(M, d) what the classifier sees of regions.

        Args:
            x: Levels of features (N, C, H, W).
            boxes: (M_i, 4) per image.
        """
        extractor = self.bbox_roi_extractor
        pooled = extractor(x[: extractor.num_inputs], bbox2roi(list(boxes)))
        found: Tensor = self.bbox_head.describe(pooled)
        return found

    def predict_bbox(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The detections of every image, see mmdet; without a test configuration they are raw."""
        found = super().predict_bbox(x, *args, **kwargs)
        raw = kwargs.get("rcnn_test_cfg", args[2] if len(args) > 2 else None) is None
        if self._relabel is not None and not raw:
            self._relabel(x, found)
        return found

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
