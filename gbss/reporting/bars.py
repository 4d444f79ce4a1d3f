"""Bars: the group has the colour, the row the filling, whiskers lead from seed to seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gbss.reporting.plotting import PAGE, letter, panels, shown_groups, shown_rows, spread
from gbss.reporting.style import GUIDE, style_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gbss.reporting.study import Study

HATCHES = (None, "////", "....", "xxxx")
"""Of the rows before the last: the baseline's bars are hollow."""

FEW = 40
"""So many classes have names of the usual size, all in one line."""

LONGEST = 20
"""Letters of a name where names stand in two lines."""

GAP = 0.7
"""Between two groups, in widths of a class."""


def size_for(classes: Sequence[str]) -> tuple[float, float]:
    """Width and height in inches of two panels of `bars_of_classes` below each other."""
    width = max(4.5, min(PAGE, 1.2 + 0.32 * len(classes)))
    return width, 4.8 if len(classes) <= FEW else 6.0


def class_panels(
    numbers: pd.DataFrame,
    study: Study,
    classes: Sequence[str],
    titles: Mapping[str, str],
    *words: str,
) -> tuple[Figure, Sequence[Axes]]:
    """Bars by class, a panel for each column below the last one; the lowest names the classes.

    Args:
        numbers: With a line for each row, seed and class.
        study: Gives rows and groups.
        classes: What is shown, in this order.
        titles: Column → title of its panel.
        words: What the note above the figure says of it.
    """
    note = (*words, spread(numbers, "whiskers"))
    figure, axes = panels(study, numbers, len(titles), 1, size_for(classes), *note)
    for place, (its, column) in enumerate(zip(axes[:, 0], titles, strict=True)):
        bars_of_classes(its, numbers, column, study, classes, named=place == len(titles) - 1)
        letter(its, place, titles[column])
    legend_of_rows(figure, numbers, study)
    return figure, list(axes[:, 0])


def bars_of_classes(
    axes: Axes,
    numbers: pd.DataFrame,
    column: str,
    study: Study,
    classes: Sequence[str],
    *,
    named: bool,
) -> None:
    """A cluster of bars for each class, the groups set apart.

    Args:
        axes: Where.
        numbers: With ``row``, ``seed``, ``class`` and the column; NaN: there is no value.
        column: What is drawn.
        study: Gives labels and groups.
        classes: What stands on the axis, by groups.
        named: Whether each class has its name below it; otherwise each group has.
    """
    groups = [study.group_of[name] for name in classes]
    grouped_bars(axes, numbers, "class", column, study, dict(zip(classes, groups, strict=True)))
    if named:
        _names(axes, classes)
        return
    places, of = axes.get_xticks(), np.array(groups)
    shown = list(dict.fromkeys(groups))
    axes.set_xticks([places[of == group].mean() for group in shown], shown)


def _names(axes: Axes, classes: Sequence[str]) -> None:
    """Upright names; many stand in two lines by turns, so that there is room for each."""
    axes.tick_params(axis="x", labelrotation=90)
    if len(classes) <= FEW:
        return
    places, size = axes.get_xticks(), 6
    texts = [n if len(n) <= LONGEST else f"{n[: LONGEST - 1]}…" for n in classes]
    axes.set_xticks(places[::2], texts[::2])
    axes.set_xticks(places[1::2], texts[1::2], minor=True)
    below = 0.66 * size * max(map(len, texts[::2]))
    axes.tick_params(axis="x", labelsize=size, pad=2)
    lead = {"length": below, "width": 0.3, "color": GUIDE, "pad": 2}
    axes.tick_params(axis="x", which="minor", labelsize=size, labelrotation=90, **lead)


def bars_of_groups(axes: Axes, numbers: pd.DataFrame, column: str, study: Study) -> None:
    """A cluster of bars for each group; otherwise as `bars_of_classes`."""
    groups = shown_groups(numbers, study)
    grouped_bars(axes, numbers, "group", column, study, dict(zip(groups, groups, strict=True)))


def grouped_bars(
    axes: Axes,
    numbers: pd.DataFrame,
    along: str,
    column: str,
    study: Study,
    group_of: Mapping[str, str],
) -> None:
    """A cluster of bars for each thing on the axis: one for each row, the mean over seeds.

    Args:
        axes: Where.
        numbers: With ``row``, ``seed`` and the two columns.
        along: Column of the things on the axis.
        column: What is drawn; NaN: there is no value.
        study: Gives labels.
        group_of: Thing → group whose colour it has, in the order of the axis.
    """
    things, groups = list(group_of), np.array(list(group_of.values()))
    places = np.arange(len(things)) + GAP * np.cumsum([False, *(groups[1:] != groups[:-1])])
    rows = list(shown_rows(numbers, study))
    width = 0.84 / len(rows)
    for number, row in enumerate(rows):
        its = numbers[numbers["row"] == row]
        by_seed = its.pivot_table(index=along, columns="seed", values=column, dropna=False)
        mean, low, high = _spread(by_seed.reindex(things).to_numpy(dtype=np.float64))
        where = places + (number - (len(rows) - 1) / 2) * width
        for group in dict.fromkeys(groups):
            mine = groups == group
            look = _look(group, number, len(rows))
            axes.bar(where[mine], mean[mine], 0.92 * width, lw=0.8, **look)
        # The mean of equal values may miss them by a rounding.
        whiskers = np.clip([mean - low, high - mean], 0, None)
        axes.errorbar(where, mean, whiskers, fmt="none", ecolor="#222222", lw=0.7)
        for x in where[np.isnan(mean)]:
            axes.annotate("none", (x, 0), rotation=90, ha="center", va="bottom", fontsize=5)
    axes.set_xticks(places, things)
    axes.set_xlim(places[0] - GAP, places[-1] + GAP)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=GUIDE, linewidth=0.4)
    axes.set_axisbelow(True)


def legend_of_rows(figure: Figure, numbers: pd.DataFrame, study: Study) -> None:
    """What hollow, hatched and filled bars are, and which colour a group has."""
    from matplotlib.patches import Patch

    rows, groups = shown_rows(numbers, study), shown_groups(numbers, study)
    handles = [
        Patch(label=label, **(_look("", number, len(rows)) | {"edgecolor": "#666666"}))
        for number, label in enumerate(rows.values())
    ]
    handles[-1].set_facecolor("#666666")
    for group in groups:
        style = style_of(group)
        handles.append(Patch(facecolor=style.colour, edgecolor=style.line, label=group))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _look(group: str, number: int, rows: int) -> dict[str, Any]:
    style = style_of(group)
    ours = number == rows - 1
    return {
        "facecolor": style.colour if ours else "white",
        "edgecolor": style.line,
        "hatch": None if ours else HATCHES[number % len(HATCHES)],
    }


def _spread(by_seed: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(things, seeds) → mean, lowest and highest of the values that there are; NaN without any."""
    there = ~np.isnan(by_seed)
    count = there.sum(axis=1)
    total = np.where(there, by_seed, 0).sum(axis=1)
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    low = np.where(there, by_seed, np.inf).min(axis=1)
    high = np.where(there, by_seed, -np.inf).max(axis=1)
    return mean, np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)
