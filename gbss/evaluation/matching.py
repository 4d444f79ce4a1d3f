"""Which detection finds which object, at one overlap, and which detections do not count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gbss.evaluation.case import counted_boxes
from gbss.evaluation.found import Found
from gbss.splits.annotations import Annotations, Bools, Floats, Ints, Lists

IOU = 0.5
"""A detection finds an object of its class that it overlaps by at least so much."""

PAIRS = 2_000_000
"""Pairs of a detection and a box that are compared at once: about 300 MB."""


@dataclass(frozen=True, eq=False)
class Overlaps:
    """P pairs of a detection and a box in the same image, by detections.

    Attributes:
        found: (P,) position of the detection.
        boxes: (P,) position of the box in the ground truth.
        iou: (P,) their overlap; with a crowd, the share of the detection that lies within it.
    """

    found: Ints
    boxes: Ints
    iou: Floats


@dataclass(frozen=True, eq=False)
class Matches:
    """What became of D detections of M boxes.

    Attributes:
        box: (D,) position of the box that a detection found; -1: none.
        counted: (D,) whether a detection is right or wrong; False if it is passed over.
        hit: (M,) whether a box was found.
    """

    box: Ints
    counted: Bools
    hit: Bools

    @property
    def right(self) -> Bools:
        """(D,) whether a detection found an object."""
        return self.box >= 0

    @property
    def wrong(self) -> Bools:
        """(D,) whether it counts and found nothing."""
        return self.counted & (self.box < 0)


def overlaps(found: Found, truth: Annotations, at_least: float, *, same_class: bool) -> Overlaps:
    """The pairs that overlap.

    Args:
        found: The detections.
        truth: The ground truth, crowds included.
        at_least: Smallest overlap of a pair.
        same_class: Whether to leave out pairs of two classes.
    """
    keys = len(truth.category_ids) if same_class else 1
    its = truth.box_images * keys + (truth.box_classes if same_class else 0)
    wanted = found.images * keys + (found.classes if same_class else 0)
    order = np.argsort(its, kind="stable")
    first, end = (np.searchsorted(its[order], wanted, side) for side in ("left", "right"))
    parts = []
    for block in _blocks(end - first):
        pairs = (end - first)[block]
        who = np.repeat(np.arange(len(found))[block], pairs)
        within = np.arange(pairs.sum()) - np.repeat(np.cumsum(pairs) - pairs, pairs)
        which = order[first[who] + within]
        iou = _iou(found.boxes[who], truth.boxes[which], truth.crowd[which])
        # As COCO's tool compares: the last digit does not decide.
        kept = iou >= min(at_least, 1 - 1e-10)
        parts.append((who[kept], which[kept], iou[kept]))
    if not parts:
        none = np.zeros(0, np.int64)
        return Overlaps(none, none, none.astype(np.float64))
    return Overlaps(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _blocks(sizes: Ints) -> Iterator[slice]:
    """Slices of detections that have no more than `PAIRS` pairs, or are single."""
    start, ends = 0, np.cumsum(sizes)
    while start < len(sizes):
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + PAIRS, "right")))
        yield slice(start, end)
        start = end


def _iou(detections: Floats, boxes: Floats, crowd: Bools) -> Floats:
    """(P, 4) and (P, 4) → (P,)."""
    low = np.maximum(detections[:, :2], boxes[:, :2])
    high = np.minimum(detections[:, :2] + detections[:, 2:], boxes[:, :2] + boxes[:, 2:])
    common = (high - low).clip(min=0).prod(axis=1)
    own = detections[:, 2:].prod(axis=1)
    whole = np.where(crowd, own, own + boxes[:, 2:].prod(axis=1) - common)
    iou: Floats = np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)
    return iou


def match(found: Found, truth: Annotations, iou: float = IOU) -> Matches:
    """Matches greedily, best scores first, each to the free object of its class it overlaps most.

    These are the rules of COCO's evaluation; of two boxes with equal overlap the later one is
    taken. A detection in a crowd of its class, or on a box that does not count, is passed over.
    With a federated ground truth, so is one of a class that the image is not annotated for, and one
    that found nothing, of a class of which the image is known to show more than is annotated.

    Args:
        found: The detections.
        truth: The ground truth.
        iou: Overlap that it takes.
    """
    pairs = overlaps(found, truth, iou, same_class=True)
    box = np.full(len(found), -1, np.int64)
    counted = np.ones(len(found), np.bool_)
    hit = np.zeros(len(truth.boxes), np.bool_)
    aside = ~countable(truth)[pairs.boxes]
    counted[pairs.found[aside]] = False
    # By detections, which are by falling scores; then the largest overlap first.
    order = np.lexsort((-pairs.boxes, -pairs.iou, pairs.found))
    order = order[~aside[order]]
    for detection, target in zip(
        pairs.found[order].tolist(), pairs.boxes[order].tolist(), strict=True
    ):
        if box[detection] < 0 and not hit[target]:
            box[detection], hit[target] = target, True
    counted[box >= 0] = True
    if truth.negatives is not None and truth.not_exhaustive is not None:
        counted &= judged(found, truth)
        counted &= (box >= 0) | ~_listed(found, truth, truth.not_exhaustive)
    return Matches(box, counted, hit)


def countable(truth: Annotations) -> Bools:
    """(M,) whether a box can be found or missed: by the rules of LVIS if the file is federated."""
    return counted_boxes(truth, "coco" if truth.negatives is None else "lvis")


def judged(found: Found, truth: Annotations) -> Bools:
    """(D,) whether an image is annotated for the class of a detection; always, if not federated."""
    if truth.negatives is None:
        return np.ones(len(found), np.bool_)
    classes = len(truth.category_ids)
    # A box without area does not exist by LVIS's rules.
    there = truth.areas > 0
    positive = (truth.box_images * classes + truth.box_classes)[there]
    known = np.isin(found.images * classes + found.classes, positive)
    return known | _listed(found, truth, truth.negatives)


def _listed(found: Found, truth: Annotations, lists: Lists) -> Bools:
    """(D,) whether a detection's class stands in the list of its image."""
    offsets, values = lists
    classes = len(truth.category_ids)
    images = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.isin(found.images * classes + found.classes, images * classes + values)
