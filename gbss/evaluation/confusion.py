"""Which class a detector takes an object for: minority classes and their look-alikes."""

from __future__ import annotations

import numpy as np

from gbss.evaluation.found import Found
from gbss.evaluation.matching import IOU, countable, judged, overlaps
from gbss.splits.annotations import Annotations, Ints

SCORE = 0.5
"""Detections above this score say what the detector takes an object for."""


def confusion(found: Found, truth: Annotations, score: float = SCORE) -> Ints:
    """Counts what the objects of each class are taken for.

    An object is taken for the class of the detection with the best score among those that overlap
    it by at least 0.5. Unlike in matching, a detection may speak for several objects.

    Args:
        found: The detections.
        truth: The ground truth; crowds are left out, and so are detections of classes that an
            image is not annotated for.
        score: Detections up to this score do not count.

    Returns:
        (K, K + 1): entry [k, i] = objects of class k taken for class i; the last column: nothing.
    """
    found = found.where((found.scores > score) & judged(found, truth))
    classes = len(truth.category_ids)
    pairs = overlaps(found, truth, IOU, same_class=False)
    order = np.lexsort((-pairs.iou, -found.scores[pairs.found], pairs.boxes))
    boxes, first = np.unique(pairs.boxes[order], return_index=True)
    taken_for = np.full(len(truth.boxes), classes)
    taken_for[boxes] = found.classes[pairs.found[order][first]]
    objects = countable(truth)
    places = truth.box_classes[objects] * (classes + 1) + taken_for[objects]
    counts = np.bincount(places, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1)


def look_alikes(counts: Ints) -> Ints:
    """(K,) the other class that each class is most often taken for; -1: none ever.

    Args:
        counts: (K, K + 1) of `confusion`.
    """
    others = counts[:, :-1].copy()
    np.fill_diagonal(others, 0)
    return np.where(others.any(axis=1), others.argmax(axis=1), -1)
