"""Two runs on the same validation images: is the difference of their AP more than its noise?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gbss.evaluation.bootstrap import RESAMPLES, Interval, draw, group_samples, interval
from gbss.evaluation.case import Case
from gbss.evaluation.groups import group_means
from gbss.evaluation.per_class import measure


@dataclass(frozen=True)
class Difference:
    """One group of classes in two runs, AP as fractions; None without ground truth.

    Attributes:
        one: AP of the one run.
        other: AP of the other.
        interval: Of ``one - other``, over the same drawn images for both.
    """

    one: float | None
    other: float | None
    interval: Interval | None


def compare(
    one: Case,
    other: Case,
    groups: Mapping[str, Sequence[str]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Difference]:
    """The difference of two runs' AP with its bootstrap interval.

    What is hard in an image is hard for both runs. So the difference moves less with the images
    than either AP does, and is drawn as a pair.

    Args:
        one: The detections of a run.
        other: Those of another, with the same ground truth.
        groups: Class names of each group.
        resamples: How often to draw.
        seed: Of the drawing.

    Returns:
        "all", then each group.
    """
    if one.truth.digest != other.truth.digest:
        raise ValueError("two runs are compared on one ground truth")
    drawn = draw(len(one.truth.image_ids), resamples, seed)
    means = [group_means(measure(case), groups) for case in (one, other)]
    samples = [group_samples(case, groups, drawn) for case in (one, other)]
    differences = {}
    for group in means[0]:
        first, second = (its[group].ap for its in means)
        value = None if first is None or second is None else first - second
        found = interval(value, samples[0][group] - samples[1][group])
        differences[group] = Difference(first, second, found)
    return differences
