"""What every figure has in common: its numbers go to a csv, and from there into the picture."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gbss import tasks
from gbss.errors import GbssError, fail, nearest
from gbss.grid import Grid
from gbss.reporting.compared import (
    BASE_AND_OURS,
    WITHOUT_AND_WITH_GBR,
    compared_rows,
    optional_rows,
)
from gbss.reporting.figures.saving import read_numbers, save, write_numbers
from gbss.reporting.study import Need, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

SETTINGS: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.6,
}
"""Of matplotlib, for all figures: they are printed as wide as a page at most."""


@dataclass(frozen=True)
class Figure:
    """One figure; a module of ``gbss/reporting/figures`` has it as ``FIGURE``.

    Attributes:
        title: What it shows, for lists and captions.
        task: The paper's task that it shows unless another is asked for.
        needs: What runs must have left.
        numbers: Computes what is shown: one line for each row, seed and thing.
        draw: Draws the numbers, as they stand in the csv.
        compared: Names of the rows that it compares, see `gbss.reporting.compared`.
        paper: Number of the paper's figure; None: it has none like it.
        of_a_class: Whether it shows one class, which can be chosen.
        one_seed: Whether one run of each row is enough.
        note: What the reader of the paper should know about it.
    """

    title: str
    task: str
    needs: tuple[Need, ...]
    numbers: Callable[[Study], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Study], Drawing]
    compared: tuple[str, ...] = BASE_AND_OURS
    paper: int | None = None
    of_a_class: bool = False
    one_seed: bool = False
    note: str = ""

    @property
    def context(self) -> str:
        """Which figure of the paper it is, and where it differs from that."""
        if self.paper is None:
            return "Not a figure of the paper."
        said = f"Figure {self.paper} of the paper."
        with_rfs = self.compared != WITHOUT_AND_WITH_GBR and BASE_AND_OURS[0] in self.compared
        if self.needs and with_rfs:
            said += " The baseline has RFS, as ours has; the paper shows Soft Teacher."
        return f"{said} {self.note}".rstrip()


@cache
def figures() -> Mapping[str, Figure]:
    """Name → figure: those of the paper by their numbers, then ours."""
    package = importlib.import_module("gbss.reporting.figures")
    found = {}
    for module in pkgutil.iter_modules(package.__path__):
        figure = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "FIGURE", 0)
        if isinstance(figure, Figure):
            found[module.name.replace("_", "-")] = figure
    return dict(sorted(found.items(), key=lambda item: (item[1].paper or 99, item[0])))


def figure_named(name: str) -> tuple[str, Figure]:
    """A figure by its name, or by its number in the paper.

    Raises:
        GbssError: There is none.
    """
    by_number = {str(figure.paper): each for each, figure in figures().items() if figure.paper}
    known = by_number.get(name, name)
    if known not in figures():
        fix = "name one of these, or give its number in the paper"
        raise fail("figure", found=repr(name), expected=nearest(name, figures()), fix=fix)
    return known, figures()[known]


def study_of(
    figure: Figure,
    grid: Grid,
    results: Path,
    rows: Sequence[str] | None = None,
    class_name: str | None = None,
) -> Study:
    """What a figure is made from at a scale.

    Args:
        figure: Which figure.
        grid: Rows and scale.
        results: Folder of results.
        rows: What to compare instead of what the figure does.
        class_name: Class that a figure of one class shows.

    Raises:
        GbssError: The figure's task has no place at the scale, or a row is missing.
    """
    scale = grid.scale
    # A task that was put in the place of those of the scale is shown whatever the figure's own.
    task = next(iter(scale.tasks)) if scale.replaced else figure.task
    if task not in scale.tasks:
        raise fail(
            f"figure {figure.title!r}",
            found=f"the task {task!r}, which has no place at the scale {scale.scale!r}",
            expected=f"one of {', '.join(scale.tasks)}",
            fix="add it under 'tasks' of the scale, or choose another with --task",
        )
    if class_name is not None and not figure.of_a_class:
        fix = "leave --class out"
        raise fail(
            "--class", found=repr(class_name), expected="a figure that shows one class", fix=fix
        )
    shown = compared_rows(grid.experiments, task, rows or figure.compared)
    left_out = frozenset() if rows else optional_rows(task)
    return Study(scale, tasks.get(scale.tasks[task]), shown, results, class_name, left_out)


def path_of(name: str, study: Study, rows: Sequence[str] | None = None) -> Path:
    """Where a figure lies, without suffix; one with a choice of its own has it in its name."""
    chosen = [each for each in (study.class_name, "-".join(rows or ())) if each]
    words = "-".join([name, *chosen]).lower().replace(" ", "-").replace("/", "-")
    return study.results / "figures" / study.scale.place / words


def drawable(grid: Grid, results: Path) -> dict[str, tuple[Figure, Study]]:
    """The figures whose task and rows there are at a scale."""
    found = {}
    for name, figure in figures().items():
        try:
            found[name] = (figure, study_of(figure, grid, results))
        except GbssError:
            continue
    return found


def make(figure: Figure, study: Study, path: Path) -> str:
    """Writes a figure as csv, pdf and png.

    Without all of the runs that a csv shows it is drawn again from the csv, as after a change of
    labels or colours: what was published is not replaced by less.

    Args:
        figure: Which figure.
        study: What it is made from.
        path: Where, without suffix.

    Returns:
        A sentence on what it was made from.

    Raises:
        GbssError: There are neither the runs nor a csv; every file that is missing.
    """
    from matplotlib import rc_context

    numbers = path.with_name(f"{path.name}.csv")
    present = study.present(figure.needs)
    if not (faults := present.missing(figure.needs)):
        found = figure.numbers(present)
        gone = _runs(read_numbers(numbers), study) - _runs(found, study) if numbers.exists() else ()
        if not gone:
            write_numbers(found, numbers)
            said = _made_from(found, study, present)
        else:
            runs = ", ".join(f"{row} with seed {seed}" for row, seed in sorted(gone))
            said = (
                f"again from {numbers}: it shows {runs}, which is not here; move it away to make "
                "the figure from the runs that are"
            )
    elif numbers.exists():
        said = f"again from {numbers}: not all of its runs are here"
    else:
        raise GbssError(*faults)
    with rc_context(SETTINGS):
        save(drawing(figure, study, numbers), path)
    return said


def _runs(numbers: pd.DataFrame, study: Study) -> set[tuple[str, int]]:
    """Row and seed of what is shown of the rows that are asked for."""
    if "row" not in numbers:
        return set()
    asked = numbers[numbers["row"].isin([row.id for row in study.rows])]
    return set(zip(asked["row"], asked["seed"].astype(int), strict=True))


def _made_from(numbers: pd.DataFrame, asked: Study, present: Study) -> str:
    """Which rows are shown, and which of the optional ones are not and why."""
    absent = [row.id for row in asked.rows if row not in present.rows]
    # Without a line nothing is said of any row.
    shown = {row for row, _ in _runs(numbers, asked)} or {row.id for row in present.rows}
    odd = [row.id for row in present.rows if row.id not in shown]
    said = f"from {', '.join(row.id for row in present.rows if row.id in shown)}"
    if absent:
        said += f"; without {', '.join(absent)}, of which there is no run"
    if odd:
        said += f"; without {', '.join(odd)}, of which there is no run with the seed of the others"
    return said


def drawing(figure: Figure, study: Study, numbers: Path) -> Drawing:
    """Draws what stands in a csv."""
    return figure.draw(read_numbers(numbers), study)
