"""How many labeled and unlabeled images hold each class of a task."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gbss.errors import fail
from gbss.files import write_text
from gbss.reporting.figure import SETTINGS
from gbss.reporting.figures.saving import save
from gbss.reporting.style import GUIDE, style_of, tail_last

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gbss.tasks.base import Task

NAMED = 100
"""Up to this many classes carry their names on the axis."""


@dataclass(frozen=True)
class ClassImages:
    """One class: its group, and the images that hold it where training may see it, and elsewhere.

    Attributes:
        name: The class.
        group: Its group in the task.
        labeled: Labeled images whose annotations of the class are kept.
        unlabeled: Unlabeled images with the class; None: unknown.
    """

    name: str
    group: str
    labeled: int
    unlabeled: int | None


def class_images(counts: Path, task: Task) -> list[ClassImages]:
    """Reads the counts of a split, most labeled images first.

    Args:
        counts: The split's ``counts.csv``.
        task: Gives the groups.

    Raises:
        GbssError: There is no split, or it is one of other classes.
    """
    try:
        rows = list(csv.DictReader(counts.read_text(encoding="utf-8").splitlines()))
        found = [
            (row["name"], int(row["labeled_images"]), _known(row["unlabeled_images"]))
            for row in rows
        ]
    except FileNotFoundError as error:
        fix = f"build the split: gbss split {task.name}"
        raise fail(str(counts), found="no such file", expected="counts", fix=fix) from error
    except (KeyError, TypeError, ValueError) as error:
        fix = f"check it: gbss verify {task.name}"
        raise fail(
            str(counts), found=f"unreadable: {error!r}", expected="counts of a split", fix=fix
        ) from error
    group_of = {name: group for group, names in task.groups.items() for name in names}
    if sorted(group_of) != sorted(name for name, _, _ in found):
        fix = f"check it: gbss verify {task.name}"
        expected = f"the {len(group_of)} classes of {task.name}"
        raise fail(str(counts), found="other classes", expected=expected, fix=fix)
    classes = [ClassImages(name, group_of[name], labeled, pool) for name, labeled, pool in found]
    return sorted(classes, key=lambda each: (-each.labeled, -(each.unlabeled or 0), each.name))


def _known(text: str) -> int | None:
    """The number in a cell, which is empty where images come without annotations."""
    return int(text) if text else None


def write_class_distribution(classes: Sequence[ClassImages], task: Task, path: Path) -> None:
    """Writes the figure as PDF and PNG and its numbers as CSV.

    Args:
        classes: What to show, in the order of the axis.
        task: Gives the title and the order of groups.
        path: Where, without suffix.
    """
    from matplotlib import rc_context

    with rc_context(SETTINGS):
        save(draw(classes, task), path)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["class", "group", "labeled_images", "unlabeled_images"])
    writer.writerows((each.name, each.group, each.labeled, each.unlabeled) for each in classes)
    write_text(path.with_name(f"{path.name}.csv"), stream.getvalue())


def draw(classes: Sequence[ClassImages], task: Task) -> Figure:
    """The figure: a marker per class, its shape and colour by group; hollow ones are unlabeled."""
    from matplotlib.figure import Figure

    width = max(6.0, min(14.0, 1.5 + 0.155 * len(classes)))
    figure = Figure(figsize=(width, 4.2), layout="constrained")
    figure.suptitle(task.title, fontsize=7, x=0.01, ha="left", color="#555555")
    axes = figure.add_subplot()
    named = len(classes) <= NAMED
    places = list(range(len(classes)))
    lower = [each.labeled for each in classes]
    upper = [each.labeled if each.unlabeled is None else each.unlabeled for each in classes]
    axes.vlines(places, lower, upper, color=GUIDE, linewidth=0.8 if named else 0.2, zorder=1)
    for group in tail_last(task.groups):
        _markers(axes, classes, group, 1 if named else 0.4)
    if all(lower) and all(upper):
        axes.set_yscale("log")
    else:  # a logarithmic axis that shows zero, too
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(bottom=0)
    axes.set_ylabel("images with the class")
    axes.set_xlim(-1, len(classes))
    axes.set_xticks(places if named else [], [each.name for each in classes] if named else [])
    axes.tick_params(axis="x", labelrotation=90)
    axes.set_xlabel("" if named else f"{len(classes)} classes, most labeled images first")
    axes.grid(axis="y", color=GUIDE, linewidth=0.4, zorder=0)
    figure.legend(loc="outside lower center", ncols=2 * len(task.groups))
    return figure


def _markers(axes: Axes, classes: Sequence[ClassImages], group: str, size: float) -> None:
    """The classes of a group; labeled markers fit into the hollow ones of equal numbers."""
    style = style_of(group)
    members = {place: each for place, each in enumerate(classes) if each.group == group}
    known = {place: each.unlabeled for place, each in members.items() if each.unlabeled is not None}
    labeled = {place: each.labeled for place, each in members.items()}
    numbers = {"unlabeled": (known, "white", 42), "labeled": (labeled, style.colour, 18)}
    for what, (heights, fill, area) in numbers.items():
        if not heights:
            continue
        axes.scatter(
            list(heights),
            list(heights.values()),
            marker=style.marker,
            s=area * size**2,
            facecolors=fill,
            edgecolors=style.line,
            linewidths=0.9 * size,
            label=f"{group}, {what}",
            clip_on=False,
            zorder=2,
        )


def summary(classes: Sequence[ClassImages], groups: Mapping[str, Sequence[str]]) -> str:
    """One line per group: classes, and the range of their labeled and unlabeled images."""
    lines = []
    for group in groups:
        members = [each for each in classes if each.group == group]
        labeled = sorted(each.labeled for each in members)
        unlabeled = sorted(each.unlabeled for each in members if each.unlabeled is not None)
        pool = f"{unlabeled[0]} to {unlabeled[-1]} unlabeled" if unlabeled else "others unknown"
        lines.append(
            f"{group}: {len(members)} classes, {labeled[0]} to {labeled[-1]} labeled images, {pool}"
        )
    return "\n".join(lines)
