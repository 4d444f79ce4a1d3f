"""Pieces that several figures draw: panels, lines over training, bars by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gbss.reporting.style import GUIDE, group_label, line_of, style_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gbss.reporting.study import Study

PAGE, COLUMN = 7.0, 3.4
"""Widths in inches of a printed page and of one of its two columns."""


def panels(study: Study, rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure with a line on where it comes from, and its axes (rows, columns).

    Args:
        study: Gives task and scale.
        rows: Panels below each other.
        columns: Panels beside each other.
        size: Width and height in inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    text = f"{study.task.title}; {study.scale.scale} scale"
    figure.suptitle(text, fontsize=7, x=0.01, ha="left", color="#555555")
    return figure, figure.subplots(rows, columns, squeeze=False)


def shown_rows(numbers: pd.DataFrame, study: Study) -> dict[str, str]:
    """Id → label of the rows in the numbers, in their order."""
    labels = {row.id: row.label for row in study.rows}
    return {name: labels.get(name, name) for name in numbers["row"].unique()}


def shown_groups(numbers: pd.DataFrame, study: Study) -> list[str]:
    """The groups in the numbers, in the order of the task."""
    present = set(numbers["group"])
    return [group for group in study.task.groups if group in present]


def letter(axes: Axes, place: int, text: str) -> None:
    """A panel's letter and title, at its upper left."""
    axes.set_title(f"({chr(ord('a') + place)}) {text}", loc="left")


def course(axes: Axes, numbers: pd.DataFrame, column: str, **style: Any) -> None:
    """A line over training: the mean over seeds, in a band from the lowest seed to the highest.

    Args:
        axes: Where.
        numbers: With ``seed``, ``iteration`` and the column.
        column: What is drawn.
        style: Of the line.
    """
    by_seed = numbers.pivot_table(index="iteration", columns="seed", values=column, dropna=False)
    (line,) = axes.plot(by_seed.index, by_seed.mean(axis=1), **style)
    if by_seed.shape[1] > 1:
        low, high = by_seed.min(axis=1), by_seed.max(axis=1)
        axes.fill_between(by_seed.index, low, high, color=line.get_color(), alpha=0.15, lw=0)


def courses_of_groups(axes: Axes, numbers: pd.DataFrame, column: str, study: Study) -> None:
    """A line for each row and group: the group has the colour, the row the kind of line.

    Args:
        axes: Where.
        numbers: With ``row``, ``group``, ``seed``, ``iteration`` and the column.
        column: What is drawn.
        study: Gives labels and order.
    """
    rows = shown_rows(numbers, study)
    for place, (row, label) in enumerate(rows.items()):
        for group in shown_groups(numbers, study):
            its = numbers[(numbers["row"] == row) & (numbers["group"] == group)]
            course(
                axes,
                its,
                column,
                color=style_of(group).line,
                linestyle=line_of(place, len(rows)),
                label=f"{label}, {group_label(group)}",
            )
    axes.set_xlabel("iteration")
    axes.set_xlim(left=0)
    axes.grid(axis="y", color=GUIDE, linewidth=0.4)


def class_order(numbers: pd.DataFrame, study: Study) -> list[str]:
    """The classes in the numbers by groups, in a group in the order of the numbers."""
    present = list(dict.fromkeys(numbers["class"]))
    groups = list(study.task.groups)
    return sorted(present, key=lambda name: groups.index(study.group_of[name]))


def bars_of_classes(
    axes: Axes, numbers: pd.DataFrame, column: str, study: Study, classes: Sequence[str]
) -> None:
    """Bars by class, one for each row, the mean over seeds; whiskers from seed to seed.

    The group has the colour; the baseline's bars are hollow, ours are filled, others hatched.

    Args:
        axes: Where.
        numbers: With ``row``, ``seed``, ``class`` and the column; NaN: there is no value.
        column: What is drawn.
        study: Gives labels and groups.
        classes: What stands on the axis; groups are set apart.
    """
    groups = [study.group_of[name] for name in classes]
    gaps = np.cumsum([0, *(one != other for one, other in zip(groups, groups[1:], strict=False))])
    places = np.arange(len(classes)) + 0.7 * gaps
    rows = list(shown_rows(numbers, study))
    width = 0.84 / len(rows)
    for number, row in enumerate(rows):
        by_seed = numbers[numbers["row"] == row].pivot_table(
            index="class", columns="seed", values=column, dropna=False
        )
        its = by_seed.reindex(classes).to_numpy(dtype=float)
        where = places + (number - (len(rows) - 1) / 2) * width
        means, low, high = _spread(its)
        for group in dict.fromkeys(groups):
            mine = np.array([each == group for each in groups])
            bars(axes, where[mine], means[mine], width, group, number, len(rows))
        axes.errorbar(
            where, means, yerr=[means - low, high - means], fmt="none", ecolor="#222222", lw=0.7
        )
        for x in where[np.isnan(means)]:
            axes.annotate("n/a", (x, 0), rotation=90, ha="center", va="bottom", fontsize=5)
    axes.set_xticks(places, [*classes], rotation=90)
    axes.set_xlim(places[0] - 0.7, places[-1] + 0.7)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=GUIDE, linewidth=0.4)
    axes.set_axisbelow(True)


def _spread(by_seed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(classes, seeds) → mean, lowest and highest of those that there are, NaN without any."""
    there = ~np.isnan(by_seed)
    count = there.sum(axis=1)
    total = np.where(there, by_seed, 0).sum(axis=1)
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    low = np.where(there, by_seed, np.inf).min(axis=1)
    high = np.where(there, by_seed, -np.inf).max(axis=1)
    return mean, np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)


def bars(
    axes: Axes,
    where: np.ndarray,
    heights: np.ndarray,
    width: float,
    group: str,
    number: int,
    rows: int,
) -> None:
    """Bars of one row and group: hollow for the first row, filled for the last, else hatched."""
    style = style_of(group)
    face = style.colour if number == rows - 1 else "white"
    hatch = (None, "////", "....", "xxxx")[number % 4] if number < rows - 1 else None
    axes.bar(
        where, heights, 0.92 * width, facecolor=face, edgecolor=style.line, linewidth=0.8, hatch=hatch
    )


def legend_of_rows(figure: Figure, numbers: pd.DataFrame, study: Study) -> None:
    """What hollow, hatched and filled bars are, and which colour a group has."""
    from matplotlib.patches import Patch

    rows, groups = shown_rows(numbers, study), shown_groups(numbers, study)
    handles = []
    for number, label in enumerate(rows.values()):
        last = number == len(rows) - 1
        hatch = (None, "////", "....", "xxxx")[number % 4] if not last else None
        face = "#666666" if last else "white"
        handles.append(Patch(facecolor=face, edgecolor="#666666", hatch=hatch, label=label))
    handles += [
        Patch(facecolor=style_of(group).colour, edgecolor=style_of(group).line, label=group)
        for group in groups
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
