"""What became of each detection: a hit, a false alarm, or neither, at each overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from gbss.evaluation.case import Case
from gbss.evaluation.detection_rows import Bools, Ints
from gbss.evaluation.fast import evaluated, usable

THRESHOLDS = 10
"""IoU thresholds: .5, .55, ..., .95."""

_IMAGES = 256
"""Images that are matched together: the evaluator gives Python lists, which are large."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """R detections that the protocol lets count, at each of T = 10 overlaps.

    Attributes:
        rows: (R,) positions of the detections, by images, those of a class by falling scores: the
            order in which equal scores count.
        hits: (R, T) whether a detection found an object that no better one had found.
        counted: (R, T) whether it is a hit or a false alarm, and not one of those that are passed
            over, like a detection in a crowd.
    """

    rows: Ints
    hits: Bools
    counted: Bools


def outcomes(case: Case) -> Outcomes:
    """The outcome of each detection, as `gbss.evaluation.fast` matches them."""
    rows = usable(case)
    images = case.images[rows]
    order = np.argsort(images, kind="stable")
    rows, images = rows[order], images[order]
    parts = []
    for start in range(0, len(case.truth.image_ids), _IMAGES):
        end = start + _IMAGES
        block = rows[slice(*np.searchsorted(images, (start, end)))]
        evaluation = evaluated(case, block, slice(start, end))
        found = [each for each in evaluation.eval_imgs if each is not None and each["dtIds"]]
        parts.append(_part(found, block))
    return Outcomes(
        *(np.concatenate(columns) for columns in zip(*parts, strict=True)),
    )


def _part(found: Sequence[Mapping[str, Any]], block: Ints) -> tuple[Ints, Bools, Bools]:
    """Lists of an evaluator, one entry for each image and class, as columns."""
    sizes = np.array([len(each["dtIds"]) for each in found], dtype=np.int64)
    # Detections are numbered from 1.
    ids = np.fromiter(chain.from_iterable(each["dtIds"] for each in found), np.int64)
    flags = {}
    for key in ("dtMatched", "dtIgnore"):
        text = b"".join(bytes(row) for each in found for row in each[key])
        flags[key] = _by_detection(np.frombuffer(text, np.bool_), sizes)
    counted = ~flags["dtIgnore"]
    return block[ids - 1], flags["dtMatched"] & counted, counted


def _by_detection(flat: Bools, sizes: Ints) -> Bools:
    """Blocks of (T, size) one after the other → (rows, T)."""
    starts = np.cumsum(sizes) - sizes
    within = np.arange(sizes.sum()) - np.repeat(starts, sizes)
    first = THRESHOLDS * np.repeat(starts, sizes) + within
    places = first[:, None] + np.arange(THRESHOLDS) * np.repeat(sizes, sizes)[:, None]
    return flat[places]
