"""What became of each detection: a hit, a false alarm, or neither, at each overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from gbss.evaluation.case import LARGEST, MAX_DETECTIONS, Case
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
    classes = len(case.truth.names)
    pairs = case.images[rows] * classes + case.classes[rows]
    order = np.argsort(pairs, kind="stable")
    rows, pairs = rows[order], pairs[order]
    boxes = case.truth.areas > 0 if case.protocol == "lvis" else slice(None)
    truth = case.truth.box_images[boxes] * classes + case.truth.box_classes[boxes]
    possible = np.isin(pairs, truth)
    alarms = _alarms(case, rows[~possible], pairs[~possible])
    never = np.zeros((len(alarms), THRESHOLDS), np.bool_)
    parts = [(alarms, never, ~never), *_matched(case, rows[possible])]
    found, hits, counted = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(case.images[found], kind="stable")
    return Outcomes(found[order], hits[order], counted[order])


def _alarms(case: Case, rows: Ints, pairs: Ints) -> Ints:
    """The false alarms among detections of classes that are not in their image.

    One that is larger than any box that counts is passed over.
    """
    if case.protocol == "coco":
        order = np.lexsort((-case.detections.scores[rows], pairs))
        rank = np.arange(len(pairs)) - np.searchsorted(pairs, pairs)
        counted: Ints = order[rank < MAX_DETECTIONS["coco"]]
    else:
        lacking, partly = (_pairs(case, lists) for lists in ("negatives", "not_exhaustive"))
        counted = np.flatnonzero(np.isin(pairs, lacking) & ~np.isin(pairs, partly))
    areas = case.detections.boxes[rows[counted], 2:].prod(axis=1)
    alarms: Ints = rows[counted[areas <= LARGEST]]
    return alarms


def _pairs(case: Case, name: str) -> Ints:
    """One of the lists of a federated ground truth, as images times classes."""
    offsets, classes = getattr(case.truth, name)
    images = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pairs: Ints = images * len(case.truth.names) + classes
    return pairs


def _matched(case: Case, rows: Ints) -> list[tuple[Ints, Bools, Bools]]:
    """The outcomes of detections, by images, of classes that are in their image."""
    images = case.images[rows]
    parts = []
    for start in range(0, len(case.truth.image_ids), _IMAGES):
        end = start + _IMAGES
        block = rows[slice(*np.searchsorted(images, (start, end)))]
        evaluation = evaluated(case, block, slice(start, end))
        found = [each for each in evaluation.eval_imgs if each is not None and each["dtIds"]]
        parts.append(_part(found, block))
    return parts


def _part(found: Sequence[Mapping[str, Any]], block: Ints) -> tuple[Ints, Bools, Bools]:
    """Lists of the evaluator, one entry for each image and class, as columns."""
    sizes = np.array([len(each["dtIds"]) for each in found], dtype=np.int64)
    # Detections are numbered from 1.
    ids = np.fromiter(chain.from_iterable(each["dtIds"] for each in found), np.int64)
    matched, ignored = (
        _by_detection(b"".join(bytes(row) for each in found for row in each[key]), sizes)
        for key in ("dtMatched", "dtIgnore")
    )
    return block[ids - 1], matched & ~ignored, ~ignored


def _by_detection(text: bytes, sizes: Ints) -> Bools:
    """A byte for each flag, blocks of (T, size) one after the other → (rows, T)."""
    starts = np.cumsum(sizes) - sizes
    within = np.arange(sizes.sum()) - np.repeat(starts, sizes)
    first = THRESHOLDS * np.repeat(starts, sizes) + within
    places = first[:, None] + np.arange(THRESHOLDS) * np.repeat(sizes, sizes)[:, None]
    flags: Bools = np.frombuffer(text, np.bool_)[places]
    return flags
