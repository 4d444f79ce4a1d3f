"""Pieces that several figures draw: panels, and lines over training."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from gbss.reporting.style import GUIDE, OBJECT, line_of, style_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from gbss.reporting.study import Study

PAGE = 7.0
"""Width in inches of a printed page; no figure is wider."""

BACKGROUND = "background"
"""Stands in the place of a group where the background is shown, too."""


def panels(
    study: Study,
    numbers: pd.DataFrame,
    rows: int,
    columns: int,
    size: tuple[float, float],
    *notes: str,
) -> tuple[Figure, Any]:
    """A figure with a line on where it comes from, and its axes (rows, columns).

    Args:
        study: Gives task and scale.
        numbers: With ``row`` and ``seed``.
        rows: Panels below each other.
        columns: Panels beside each other.
        size: Width and height in inches.
        notes: What else stands above it; empty ones do not.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    parts = [study.task.title, f"{study.scale.scale} scale", seeds_in_words(numbers, study), *notes]
    # Lines as wide as the figure.
    text = fill("; ".join(part for part in parts if part), int(18 * size[0]))
    figure.suptitle(text, fontsize=7, x=0.01, ha="left", color="#555555")
    return figure, figure.subplots(rows, columns, squeeze=False)


def letter(axes: Axes, place: int, text: str) -> None:
    """A panel's letter and title, at its upper left."""
    axes.set_title(f"({chr(ord('a') + place)}) {text}", loc="left")


def shown_rows(numbers: pd.DataFrame, study: Study) -> dict[str, str]:
    """Id → label of the rows in the numbers, in their order."""
    labels = {row.id: row.label for row in study.rows}
    return {name: labels.get(name, name) for name in numbers["row"].unique()}


def seeds_in_words(numbers: pd.DataFrame, study: Study) -> str:
    """How many seeds the rows have: ``3 seeds``, or of each row if they have not the same."""
    seeds = numbers.groupby("row")["seed"].nunique()
    if seeds.empty:
        return ""
    if seeds.min() == seeds.max():
        count = seeds.iloc[0]
        return f"{count} seed{'s' if count > 1 else ''}"
    rows = shown_rows(numbers, study)
    return "seeds: " + ", ".join(f"{label} {seeds[row]}" for row, label in rows.items())


def shown_groups(numbers: pd.DataFrame, study: Study) -> list[str]:
    """The groups in the numbers, in the order of the task."""
    present = set(numbers["group"])
    return [group for group in study.task.groups if group in present]


def spread(numbers: pd.DataFrame, what: str) -> str:
    """What bands or whiskers mean; empty where one seed has none."""
    return f"{what}: lowest to highest seed" if len(numbers["seed"].unique()) > 1 else ""


RANGES = "band: range of the classes of a group, mean over the seeds"
"""What the bands of `ranges_of_groups` mean."""


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
    for group in shown_groups(numbers, study):
        for place, (row, label) in enumerate(rows.items()):
            course(
                axes,
                numbers[(numbers["row"] == row) & (numbers["group"] == group)],
                column,
                linestyle=line_of(place, len(rows)),
                label=f"{group}, {label}",
                **_marked(group, hollow=place < len(rows) - 1),
            )
    _over_training(axes)


def ranges_of_groups(axes: Axes, numbers: pd.DataFrame, study: Study) -> None:
    """The mean of each group over training, in the range of its classes; means over seeds.

    Args:
        axes: Where.
        numbers: Of one row, with ``group``, ``seed``, ``iteration``, ``mean``, ``lowest`` and
            ``highest``; the background may be one of the groups.
        study: Gives labels and order.
    """
    groups = shown_groups(numbers, study)
    if BACKGROUND in set(numbers["group"]):
        groups.append(BACKGROUND)
    for group in groups:
        its = numbers[numbers["group"] == group].groupby("iteration")
        mean, low, high = (its[name].mean() for name in ("mean", "lowest", "highest"))
        look = {"color": OBJECT, "linestyle": "--"} if group == BACKGROUND else _marked(group)
        axes.plot(mean.index, mean, label=group, **look)
        axes.fill_between(mean.index, low, high, color=look["color"], alpha=0.18, lw=0)
    _over_training(axes)


def _marked(group: str, *, hollow: bool = False) -> dict[str, Any]:
    """A line with the group's colour and, for print without colours, now and then its marker."""
    style = style_of(group)
    return {
        "color": style.line,
        "marker": style.marker,
        "markevery": 0.11,
        "markersize": 3.5,
        "markerfacecolor": "white" if hollow else style.line,
    }


def _over_training(axes: Axes) -> None:
    axes.set_xlabel("iteration")
    axes.set_xlim(left=0)
    axes.grid(axis="y", color=GUIDE, linewidth=0.4)


def plain_log(axis: Axis) -> None:
    """A logarithmic axis with plain numbers at 1, 2, 5, 10 and so on; beyond three decades 1, 10.

    Call it when all is drawn.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def end_of_warmup(axes: Axes, study: Study, *, low: bool = False) -> None:
    """A line where the method sets in; none where what is shown ends before.

    Args:
        axes: Where; its limits are those that it will have.
        study: Gives the schedule.
        low: Whether the words stand at the lower end, not at the upper.
    """
    scale = study.scale.of(study.rows[-1].task)
    at = scale.method.warmup * scale.schedule.iterations
    first, last = axes.get_xlim()
    if not first <= at <= last:
        return
    axes.axvline(at, color="#888888", lw=0.7, linestyle=(0, (1, 2)), zorder=0)
    axes.annotate(
        "warm-up ends",
        (at, 0 if low else 1),
        xycoords=("data", "axes fraction"),
        xytext=(-2, 2 if low else -2),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="bottom" if low else "top",
        fontsize=6,
        color="#666666",
    )
