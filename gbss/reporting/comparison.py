"""Two rows of a table against each other, with what their seeds say about the difference."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gbss.evaluation.record import Record
from gbss.reporting.style import group_label

LEVEL = 0.95
"""Of the confidence intervals."""


def difference(ours: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The difference of two means, and its confidence interval by Welch's method.

    Args:
        ours: At least two values, one per seed, not all of both equal.
        others: The same of the other row; the seeds need not be the same ones.

    Returns:
        mean(ours) - mean(others), and the interval's lower and upper end.
    """
    from scipy.stats import ttest_ind  # a second that most commands need not wait

    result = ttest_ind(ours, others, equal_var=False)
    interval = result.confidence_interval(LEVEL)
    middle = sum(ours) / len(ours) - sum(others) / len(others)
    return middle, float(interval.low), float(interval.high)


def comparison_note(
    labels: tuple[str, str],
    records: tuple[Sequence[Record], Sequence[Record]],
    columns: Sequence[str],
) -> str:
    """A sentence with the difference of two rows in every column, in points of AP.

    Args:
        labels: Of the row and of the one that it is compared with.
        records: Theirs.
        columns: Groups of classes.
    """
    names = f"{labels[0]} against {labels[1]}"
    if any(len(its) < 2 for its in records):
        return f"{names}: no interval yet, needs two seeds of both."
    parts = []
    for group in columns:
        ours, others = (_percent(its, group) for its in records)
        if len(ours) < len(records[0]) or len(others) < len(records[1]):
            continue  # no ground truth
        middle, low, high = difference(ours, others)
        if len({*ours, *others}) < 2 or low == high:
            continue  # no spread, no interval
        # Outwards, so that no interval leaves out a zero that it holds.
        ends = [math.floor(10 * low) / 10, math.ceil(10 * high) / 10]
        span = " to ".join(f"{end:+z.1f}" for end in ends)
        parts.append(f"{group_label(group)} {middle:+z.1f} ({span})")
    if not parts:
        return f"{names}: no interval, as no group has both ground truth and a spread."
    text = ", ".join(parts).replace("-", "\N{MINUS SIGN}")
    return f"{names}, difference of the means with Welch's 95 % interval: {text}."


def _percent(records: Sequence[Record], group: str) -> list[float]:
    found = (record["groups"][group]["ap"] for record in records)
    return [100 * value for value in found if value is not None]
