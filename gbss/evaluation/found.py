"""Detections in columns that point into a ground truth: what the analyses of this folder take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbss.evaluation.detections import read_detections
from gbss.splits.annotations import Annotations, Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Found:
    """D detections, by images, those of an image by falling scores.

    Attributes:
        images: (D,) position of each detection's image in ``image_ids`` of the ground truth.
        classes: (D,) position of its class in ``category_ids``.
        boxes: (D, 4) x, y, width, height in pixels.
        scores: (D,).
    """

    images: Ints
    classes: Ints
    boxes: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def where(self, kept: Bools) -> Found:
        """Some of the detections.

        Args:
            kept: (D,).
        """
        return Found(self.images[kept], self.classes[kept], self.boxes[kept], self.scores[kept])

    @classmethod
    def of(
        cls,
        truth: Annotations,
        image_ids: NDArray[Any],
        category_ids: NDArray[Any],
        boxes: NDArray[Any],
        scores: NDArray[Any],
    ) -> Found:
        """Columns of ids, all of them known to the ground truth, in any order."""
        images = np.searchsorted(truth.image_ids, image_ids)
        # Equal scores count in the order of the file, as in COCO's own tool.
        order = np.lexsort((-np.asarray(scores, np.float64), images))
        return cls(
            images=images[order],
            classes=np.searchsorted(truth.category_ids, category_ids)[order],
            boxes=np.asarray(boxes, np.float64).reshape(-1, 4)[order],
            scores=np.asarray(scores, np.float64)[order],
        )


def read_found(path: Path, truth: Annotations) -> Found:
    """Reads a file of detections.

    Args:
        path: Detections of a run.
        truth: The annotations of the images that were looked at.

    Raises:
        GbssError: See `gbss.evaluation.detections.read_detections`.
    """
    found = read_detections(path, images=truth.image_ids, categories=truth.category_ids)
    return Found.of(truth, found.image_ids, found.category_ids, found.boxes, found.scores)
