"""Detected boxes in columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROWS = 1 << 20
"""How many rows are made plain Python, or looked at, together."""


class Detection(TypedDict):
    """One detected box, as an entry of COCO's result format.

    Attributes:
        image_id: Id of the image in the annotation file.
        category_id: Id of the class in the annotation file (not the label used in training).
        bbox: x, y of the upper left corner, width, height, in pixels of the original image.
        score: Confidence; only its order matters.
    """

    image_id: int
    category_id: int
    bbox: list[float]
    score: float


@dataclass(frozen=True, eq=False)
class Detections:
    """N detected boxes in columns, in the order of their file.

    The order counts: of equal scores in an image, the first comes first.

    Attributes:
        image_ids: (N,) as in `Detection`.
        category_ids: (N,) as in `Detection`.
        boxes: (N, 4) x, y, width, height in pixels.
        scores: (N,) confidences.
    """

    image_ids: Ints
    category_ids: Ints
    boxes: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def entries(self) -> Iterator[Detection]:
        """The detections in COCO's result format; the numbers are exactly those of the columns."""
        for start in range(0, len(self), ROWS):
            rows = slice(start, start + ROWS)
            for image, category, box, score in zip(
                self.image_ids[rows].tolist(),
                self.category_ids[rows].tolist(),
                self.boxes[rows].tolist(),
                self.scores[rows].tolist(),
                strict=True,
            ):
                yield Detection(image_id=image, category_id=category, bbox=box, score=score)
