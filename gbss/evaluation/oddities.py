"""What is odd about detections but not refused: the official tools count it, and so do we."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from gbss.evaluation.case import Case
from gbss.evaluation.detection_rows import Detections, Ints

_ODD = np.uint64(0x9E3779B97F4A7C15)


def oddities(case: Case) -> list[str]:
    """Sentences about detections that look like mistakes and count like any other."""
    notes = []
    if count := _outside(case):
        notes.append(f"{count:,} detection(s) lie outside of their image; they count")
    if count := repeated(case.detections):
        notes.append(f"{count:,} detection(s) repeat another one to the last digit; they count")
    return notes


def print_oddities(case: Case, path: Path | None = None) -> None:
    """Prints them to standard error."""
    for note in oddities(case):
        print(f"note: {path or 'detections'}: {note}", file=sys.stderr)


def _outside(case: Case) -> int:
    """How many boxes have no part in their image."""
    x, y, width, height = case.detections.boxes.T
    images = case.images
    inside = (x + width >= 0) & (y + height >= 0)
    inside &= (x <= case.truth.widths[images]) & (y <= case.truth.heights[images])
    return int(np.count_nonzero(~inside))


def repeated(detections: Detections) -> int:
    """How many rows are equal to a row before them."""
    rows = np.column_stack(
        [
            detections.image_ids,
            detections.category_ids,
            detections.boxes.view(np.int64),
            detections.scores.view(np.int64),
        ]
    )
    suspects = rows[_alike(rows)]
    return len(suspects) - len(np.unique(suspects, axis=0))


def _alike(rows: Ints) -> Ints:
    """Positions of the rows that may be equal to another one, found by a checksum of each."""
    sums = np.zeros(len(rows), np.uint64)
    for values in rows.T:
        sums = (sums ^ values.view(np.uint64)) * _ODD
        sums ^= sums >> np.uint64(29)
    order = np.argsort(sums)
    same = np.zeros(len(rows) + 1, np.bool_)
    same[1:-1] = sums[order][1:] == sums[order][:-1]
    alike: Ints = order[same[1:] | same[:-1]]
    return alike
