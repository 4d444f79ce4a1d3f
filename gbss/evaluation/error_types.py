"""What is wrong with detections, and what each kind of error costs, in the manner of TIDE.

Source: Bolya et al., TIDE: A General Toolbox for Identifying Object Detection Errors (ECCV 2020),
sections 2.2 and 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gbss.evaluation.found import Found
from gbss.evaluation.matching import IOU, Matches, Overlaps, countable, match, overlaps
from gbss.splits.annotations import Annotations, Bools, Floats, Ints

NEAR = 0.1
"""Below this overlap with every object a detection shows background."""

KINDS = {
    "classification": "on an object of another class",
    "localisation": "on an object of its class, but too far off",
    "both": "too far off, and of another class",
    "duplicate": "on an object that a better detection found",
    "background": "on no object",
    "missed": "objects that nothing is on, not even a wrong detection",
}
"""Kind of error → what it is; each false detection has the first that fits, TIDE's order."""

LEVELS = np.linspace(0, 1, 101)
"""Recall levels of COCO's AP."""


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of a detector, for each of K classes.

    Attributes:
        ap50: (K,) AP at IoU 0.5, a fraction; NaN without objects.
        count: Kind → (K,) errors; by the class of the detection, missed ones by that of the object.
        cost: Kind → (K,) how much AP50 would rise if there were none of them, NaN as above.
    """

    ap50: Floats
    count: Mapping[str, Ints]
    cost: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class _Kinds:
    """D detections: each one's kind of error, and the box that it should have found; -1: none."""

    kind: Mapping[str, Bools]
    target: Ints


def error_types(found: Found, truth: Annotations) -> Errors:
    """Counts errors, and mends them kind by kind.

    Mended, a detection of the wrong class or place finds its object, if nothing else does: of
    several the one with the best score, and the others go away. All other false detections go
    away; missed objects are no longer there to be found.

    Args:
        found: The detections.
        truth: The ground truth; what its rules pass over is no error.
    """
    matches = match(found, truth, IOU)
    kinds = _kinds(found, truth, matches)
    classes = len(truth.category_ids)
    there = countable(truth)
    objects = np.bincount(truth.box_classes[there], minlength=classes)
    aimed_at = np.zeros(len(truth.boxes), np.bool_)
    aimed_at[kinds.target[kinds.kind["classification"] | kinds.kind["localisation"]]] = True
    missed = there & ~matches.hit & ~aimed_at
    missed_by_class = np.bincount(truth.box_classes[missed], minlength=classes)
    before = ap50(found.classes, found.scores, matches.right, matches.counted, objects)
    count = {
        kind: np.bincount(found.classes[its], minlength=classes) for kind, its in kinds.kind.items()
    } | {"missed": missed_by_class}
    after = {}
    for kind, its in kinds.kind.items():
        mended = its & _first(found, kinds.target, its) & (kinds.target >= 0)
        mended[mended] = ~matches.hit[kinds.target[mended]]
        shown = found.classes.copy()
        shown[mended] = truth.box_classes[kinds.target[mended]]
        after[kind] = ap50(
            shown,
            found.scores,
            matches.right | mended,
            matches.counted & ~(its & ~mended),
            objects,
        )
    after["missed"] = ap50(
        found.classes, found.scores, matches.right, matches.counted, objects - missed_by_class
    )
    # A class all of whose objects are missed has nothing left to be found.
    after["missed"] = np.where(np.isnan(after["missed"]) & (objects > 0), 1.0, after["missed"])
    return Errors(before, count, {kind: after[kind] - before for kind in KINDS})


def _kinds(found: Found, truth: Annotations, matches: Matches) -> _Kinds:
    pairs = overlaps(found, truth, NEAR, same_class=False)
    pairs = _some(pairs, countable(truth)[pairs.boxes])
    same = found.classes[pairs.found] == truth.box_classes[pairs.boxes]
    own, own_box = _best(_some(pairs, same), len(found))
    other, other_box = _best(_some(pairs, ~same), len(found))
    rules = {
        "localisation": (own >= NEAR) & (own < IOU),
        "classification": other >= IOU,
        "duplicate": own >= IOU,
        "background": (own < NEAR) & (other < NEAR),
    }
    left = matches.wrong
    kind = {}
    for name, fits in rules.items():
        kind[name] = left & fits
        left = left & ~fits
    kind["both"] = left
    target = np.full(len(found), -1)
    target[kind["localisation"]] = own_box[kind["localisation"]]
    target[kind["classification"]] = other_box[kind["classification"]]
    return _Kinds({name: kind[name] for name in KINDS if name in kind}, target)


def _some(pairs: Overlaps, kept: Bools) -> Overlaps:
    return Overlaps(pairs.found[kept], pairs.boxes[kept], pairs.iou[kept])


def _best(pairs: Overlaps, detections: int) -> tuple[Floats, Ints]:
    """(D,) largest overlap of each detection, 0 without any, and (D,) with which box, or -1."""
    order = np.lexsort((-pairs.iou, pairs.found))
    who, first = np.unique(pairs.found[order], return_index=True)
    iou, box = np.zeros(detections), np.full(detections, -1)
    iou[who], box[who] = pairs.iou[order][first], pairs.boxes[order][first]
    return iou, box


def _first(found: Found, target: Ints, its: Bools) -> Bools:
    """(D,) whether a detection has the best score of those that should have found its box."""
    rows = np.flatnonzero(its)
    order = rows[np.lexsort((-found.scores[rows], target[rows]))]
    _, first = np.unique(target[order], return_index=True)
    best = np.zeros(len(found), np.bool_)
    best[order[first]] = True
    return best


def ap50(classes: Ints, scores: Floats, right: Bools, counted: Bools, objects: Ints) -> Floats:
    """AP by class from detections whose outcome is known, by COCO's 101 recall levels.

    Args:
        classes: (D,) position of the class of each detection.
        scores: (D,); equal ones count in the order in which they stand here.
        right: (D,) whether it found an object.
        counted: (D,) whether it counts at all.
        objects: (K,) of each class.

    Returns:
        (K,) fractions; NaN for classes without objects.
    """
    order = np.lexsort((-scores, classes))
    order = order[counted[order]]
    ends = np.searchsorted(classes[order], np.arange(len(objects) + 1))
    result = np.full(len(objects), np.nan)
    for class_ in np.flatnonzero(objects > 0):
        its = right[order[ends[class_] : ends[class_ + 1]]]
        hits = np.cumsum(its)
        precision = np.append(hits / np.arange(1, len(its) + 1), 0.0)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(hits / objects[class_], LEVELS)
        result[class_] = precision[places].mean()
    return result
