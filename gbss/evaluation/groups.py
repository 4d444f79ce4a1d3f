"""AP per class → AP per group of classes (majority, minority, ...)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults
from gbss.evaluation.per_class import PerClass

ALL = "all"
"""Name of the group of all classes; it comes first and no task may use it for another group."""


@dataclass(frozen=True)
class GroupResult:
    """Means over the classes of a group that have ground truth.

    Attributes:
        ap: Mean AP@[.5:.95] as a fraction; None (never 0) if no class has ground truth.
        ap50: The same for AP at IoU 0.5.
        ap75: The same for AP at IoU 0.75.
        ar: The same for the average recall.
        classes: Number of classes in the group.
        evaluated: Number of those with ground truth.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ar: float | None
    classes: int
    evaluated: int


def group_means(per_class: PerClass, groups: Mapping[str, Sequence[str]]) -> dict[str, GroupResult]:
    """Averages the AP of the classes of each group.

    The released code runs COCOeval once per group with ``catIds`` (datasets/coco.py). COCOeval's
    AP is the mean over the classes with ground truth, so averaging one pass gives the same.

    Args:
        per_class: AP per class.
        groups: Class names of each group; together they name every class exactly once. Empty:
            only "all" is computed.

    Returns:
        The result of "all", then of each group in the order given.

    Raises:
        GbssError: A group is called "all", or a class is unknown, in two groups or in none.
    """
    return {
        group: _result(per_class, positions)
        for group, positions in members(per_class.names, groups).items()
    }


def members(classes: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """Positions of the classes of "all", then of each group; see `group_means`."""
    if groups:
        _check(classes, groups)
    position = {name: number for number, name in enumerate(classes)}
    return {
        group: [position[name] for name in names]
        for group, names in {ALL: classes, **groups}.items()
    }


def mean_or_none(values: Iterable[float | None]) -> float | None:
    """The mean of the values that exist; None if there are none."""
    existing = [value for value in values if value is not None]
    return fmean(existing) if existing else None


def _result(per_class: PerClass, positions: Sequence[int]) -> GroupResult:
    evaluated = [p for p in positions if per_class.ground_truth[p] > 0]

    def mean(values: NDArray[np.float64]) -> float | None:
        return mean_or_none(values[evaluated].tolist())

    return GroupResult(
        ap=mean(per_class.ap),
        ap50=mean(per_class.ap50),
        ap75=mean(per_class.ap75),
        ar=mean(per_class.ar),
        classes=len(positions),
        evaluated=len(evaluated),
    )


def _check(classes: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
    homes: dict[str, list[str]] = {name: [] for name in classes}
    fix = "correct the groups of the task"
    with Faults() as faults:
        for group, names in groups.items():
            if group == ALL:
                faults.add(
                    f"group {group!r}",
                    found="a task's group with the name of the group of all classes",
                    expected="another name",
                    fix=fix,
                )
            for name in names:
                if name in homes:
                    homes[name].append(group)
                else:
                    faults.add(
                        f"group {group!r}",
                        found=f"class {name!r}, which is not evaluated",
                        expected=f"some of {', '.join(classes)}",
                        fix=fix,
                    )
        for name, home in homes.items():
            if len(home) != 1:
                faults.add(
                    f"class {name!r}",
                    found=f"in groups {', '.join(home)}" if home else "in no group",
                    expected="exactly one group",
                    fix=fix,
                )
