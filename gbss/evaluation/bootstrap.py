"""How much of an AP is luck with the validation set: the AP on images drawn again and again.

A bootstrap over images: N images are drawn from the N of the validation set, with replacement, and
the AP of each class is summed up anew from what became of each detection; nothing is matched again.
The middle 95 % of many such AP are the interval. It says nothing about luck in training, which the
spread over seeds shows.

AP on drawn sets is too high on average, because an image that is in a set twice agrees with itself
(docs/decisions/0051). So the interval is moved to where the AP itself is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gbss.evaluation.case import Case
from gbss.evaluation.detection_rows import Floats, Ints
from gbss.evaluation.groups import GroupResult, members
from gbss.evaluation.outcomes import THRESHOLDS, Outcomes, outcomes
from gbss.evaluation.record_schema import Ends, Intervals

RESAMPLES = 1000
"""How often a validation set is drawn."""

LEVEL = 0.95
"""Share of the drawn AP that an interval holds."""

BLOCK = 1 << 20
"""Numbers that are summed up together, hits times drawn sets: more take memory, fewer take time."""

RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Interval:
    """Where the middle 95 % of drawn values lie, moved such that their mean is the value itself.

    Skewed draws may leave the value outside; then the interval reaches to it.
    """

    low: float
    high: float


def draw(images: int, resamples: int = RESAMPLES, seed: int = 0) -> Ints:
    """How often each image is in each drawn set: (resamples, images), each row adds up to images.

    The same seed draws the same images, so that two runs can be compared set by set.
    """
    random = np.random.default_rng(seed)
    return random.multinomial(images, np.full(images, 1 / images), resamples)


def group_samples(
    case: Case, groups: Mapping[str, Sequence[str]], drawn: Ints
) -> dict[str, Floats]:
    """AP of "all" and of each group on each drawn set.

    Args:
        case: What to evaluate.
        groups: Class names of each group, as for `gbss.evaluation.groups.group_means`.
        drawn: (R, images) from `draw`.

    Returns:
        Group → (R,) means over the classes that have ground truth in the drawn set; NaN where none
        has.
    """
    samples = class_samples(case, outcomes(case), drawn)
    means = {}
    for group, positions in members(case.truth.names, groups).items():
        values = samples[:, positions]
        exists = ~np.isnan(values)
        total = np.where(exists, values, 0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            means[group] = total / exists.sum(axis=1)
    return means


def interval(value: float | None, samples: Floats) -> Interval | None:
    """The interval of a value, or of a difference of two, from the drawn values.

    Args:
        value: On the validation set itself; None: it has none.
        samples: (R,) on drawn sets; NaN where there is none.
    """
    existing = samples[~np.isnan(samples)]
    if value is None or not len(existing):
        return None
    ends = np.quantile(existing, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = value + ends - existing.mean()
    return Interval(float(min(low, value)), float(max(high, value)))


def intervals(
    case: Case,
    means: Mapping[str, GroupResult],
    groups: Mapping[str, Sequence[str]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Intervals:
    """The intervals of a run's AP, for its record.

    Args:
        case: The run's detections.
        means: The AP of "all" and of each group on the validation set itself.
        groups: Class names of each group.
        resamples: How often to draw.
        seed: Of the drawing.
    """
    samples = group_samples(case, groups, draw(len(case.truth.image_ids), resamples, seed))
    ends: dict[str, Ends | None] = {}
    for group, values in samples.items():
        ends[group] = None
        if found := interval(means[group].ap, values):
            # AP has its ends, too.
            ends[group] = {"low": max(0.0, found.low), "high": min(1.0, found.high)}
    return {"resamples": resamples, "seed": seed, "level": LEVEL, "groups": ends}


def class_samples(case: Case, found: Outcomes, drawn: Ints) -> Floats:
    """AP of each class on each drawn set, (R, classes); NaN where it has no ground truth there."""
    from scipy import sparse

    shape = (len(case.truth.names), len(case.truth.image_ids))
    boxes = (case.truth.box_classes[case.counted], case.truth.box_images[case.counted])
    truth = sparse.csr_array((np.ones(len(boxes[0])), boxes), shape=shape)
    weights = np.ascontiguousarray(drawn.T, dtype=np.float64)
    totals: Floats = truth @ weights
    result = np.zeros(totals.shape)
    for class_, hits, images, segments in _curves(case, found):
        rows = (np.ones(len(images)), (segments, images))
        alarms = sparse.csr_array(rows, shape=(len(hits), shape[1]))
        size = max(1, BLOCK // len(hits))
        for start in range(0, len(drawn), size):
            sets = slice(start, start + size)
            counts = np.cumsum(alarms @ weights[:, sets], axis=0)
            found_here = np.cumsum(weights[hits, sets], axis=0)
            result[class_, sets] += _average(found_here, counts, totals[class_, sets])
    return np.where(totals > 0, result / THRESHOLDS, np.nan).T


def _curves(case: Case, found: Outcomes) -> Iterator[tuple[int, Ints, Ints, Ints]]:
    """What decides each precision-recall curve: precision has its peaks at the hits.

    Yields:
        Class, images of the hits by falling score, images of the counted detections down to the
        last hit, and how many hits each of these is behind. For each overlap that has hits.
    """
    images, classes = case.images[found.rows], case.classes[found.rows]
    order = np.lexsort((-case.detections.scores[found.rows], classes))
    ends = np.searchsorted(classes[order], np.arange(len(case.truth.names) + 1))
    for class_ in range(len(case.truth.names)):
        own = order[ends[class_] : ends[class_ + 1]]
        hits, counted, places = found.hits[own], found.counted[own], images[own]
        for k in range(THRESHOLDS):
            peaks = np.flatnonzero(hits[:, k])
            if len(peaks):
                before = np.flatnonzero(counted[: peaks[-1] + 1, k])
                yield class_, places[peaks], places[before], np.searchsorted(peaks, before)


def _average(hits: Floats, counts: Floats, truth: Floats) -> Floats:
    """Mean precision over 101 levels of recall, as COCO defines it.

    Args:
        hits: (H, B) hits down to each hit, in each drawn set.
        counts: (H, B) hits and false alarms down to there.
        truth: (B,) objects in each drawn set.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = hits / (counts + np.spacing(1))
        recall = hits / truth
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    # A level belongs to the first hit that reaches it.
    levels = np.searchsorted(RECALLS, recall, side="right")
    new = np.diff(levels, axis=0, prepend=0)
    mean: Floats = (new * precision).sum(axis=0) / len(RECALLS)
    return mean
