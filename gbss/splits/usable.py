"""Which boxes training can use: mmdet's rule, applied before anything is drawn or counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROWS = 1 << 20
"""How many boxes are looked at together: temporary values of whole columns would add up."""

BEYOND = 0.1
"""By which share of an image's size a box may leave it before it looks wrong."""


def usable_boxes(
    path: Path,
    boxes: Floats,
    areas: Floats,
    ignored: Bools,
    *,
    images: Ints,
    widths: Ints,
    heights: Ints,
) -> Bools:
    """Finds the boxes that mmdet's ``CocoDataset`` trains on, or as crowds looks away from.

    They are not marked as ignored, at least a pixel wide and high, partly inside of their image,
    and of an area above 0. Single boxes that are not so exist in COCO, too, and are passed over.

    Args:
        path: The file, for the messages.
        boxes: (M, 4) x, y, width, height in pixels.
        areas: (M,) square pixels.
        ignored: (M,) marked as to be ignored.
        images: (M,) position of each box's image.
        widths: (N,) pixels of the images.
        heights: (N,) likewise.

    Raises:
        GbssError: Most boxes are not so, or end far outside of their image. Then they are no
            boxes in pixels, or no [x, y, width, height].
    """
    usable = np.empty(len(boxes), dtype=np.bool_)
    small = beyond = 0
    for start in range(0, len(boxes), ROWS):
        rows = slice(start, start + ROWS)
        x, y, width, height = boxes[rows].T
        image_width, image_height = widths[images[rows]], heights[images[rows]]
        with np.errstate(over="ignore"):
            right, bottom = x + width, y + height
        fine = (width >= 1) & (height >= 1) & (areas[rows] > 0)
        fine &= (right > 0) & (bottom > 0) & (x < image_width) & (y < image_height)
        far = right > (1 + BEYOND) * image_width
        far |= bottom > (1 + BEYOND) * image_height
        small += np.count_nonzero(~fine & ~ignored[rows])
        beyond += np.count_nonzero(far & ~ignored[rows])
        usable[rows] = fine & ~ignored[rows]
    total = len(boxes) - np.count_nonzero(ignored)
    with Faults() as faults:
        for count, what in (
            (small, "are smaller than a pixel, outside of their image, or have no area"),
            (beyond, f"end more than {BEYOND:.0%} of its size outside of their image"),
        ):
            if 2 * count > total:
                faults.add(
                    f"{path}: annotations",
                    found=f"{count:,} of {total:,} boxes {what}",
                    expected="bbox: [x, y, width, height] in pixels of an image of the stated size",
                    fix="convert the boxes (they may be corners or shares of the image)",
                )
    return usable
