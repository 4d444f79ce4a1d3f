"""What the workflow's targets ask for: runs, tables, figures and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gbss.errors import fail, nearest
from gbss.experiments import Row
from gbss.grid.grid import Grid
from gbss.grid.jobs import Job, jobs_of
from gbss.grid.place import Place


@dataclass(frozen=True)
class FigureFiles:
    """What the workflow knows of a figure.

    Attributes:
        outputs: Its files.
        places: The runs that it shows.
        inputs: What it is made from.
    """

    outputs: tuple[Path, ...]
    places: tuple[Place, ...]
    inputs: tuple[Path, ...]

    def asked(self, grid: Grid, results: Path) -> list[Path]:
        """What a target asks for that shows it; as for records, see `Grid.asked`."""
        weights = [place.model for place in self.places if grid.is_outdated(place, results)]
        return [*self.outputs, *weights, *(self.inputs if weights else ())]


@dataclass(frozen=True)
class Asked:
    """What targets ask for.

    Attributes:
        places: All runs that they show, and those that these start from.
        tables: Tables that they show.
        figures: Figures that they show.
        files: The files that they ask for.
        jobs: All jobs of the workflow.
    """

    places: tuple[Place, ...]
    tables: tuple[str, ...]
    figures: tuple[str, ...]
    files: tuple[Path, ...]
    jobs: tuple[Job, ...]

    def rows(self, grid: Grid) -> list[Row]:
        """The rows of the runs, in the order of the experiments."""
        named = {place.row for place in self.places}
        return [row for row in grid.rows() if row.id in named]


def ask(
    grid: Grid, targets: Sequence[str], results: Path, figures: Mapping[str, FigureFiles]
) -> Asked:
    """What targets of the workflow ask for.

    Args:
        grid: Rows, tables and scale.
        targets: ``all``, ``report``, ``all_tables``, ``all_figures``, ``table_<name>``,
            ``row_<name>`` or ``figure_<name>``.
        results: Folder that the workflow writes to.
        figures: All figures of the scale by name.

    Raises:
        GbssError: A target is unknown at this scale.
    """
    known = _known(grid, figures)
    rows: dict[str, Row] = {}
    tables: dict[str, None] = {}
    drawn: dict[str, None] = {}
    for target in targets:
        if target not in known:
            fix = "correct the name"
            if target.removeprefix("table_") in grid.experiments.tables:
                fix = "its task has no place at this scale: add it under 'tasks' of the scale"
            where = f"target at the scale {grid.scale.scale!r}"
            raise fail(where, found=repr(target), expected=nearest(target, known), fix=fix)
        more = known[target]
        rows, tables, drawn = rows | more[0], tables | more[1], drawn | more[2]
    files = grid.asked(rows.values(), results)
    for table in tables:
        files += grid.table_files(table, results)
    places = grid.places(rows.values())
    for name in drawn:
        files += figures[name].asked(grid, results)
        places += figures[name].places
    jobs = [*jobs_of(grid, results)]
    jobs += [Job("figure", each.outputs, each.inputs) for each in figures.values()]
    if {"all", "report"} & set(targets):
        page = results / "report" / grid.scale.place / "index.html"
        jobs.append(Job("report", (page,), tuple(files)))
        files.append(page)
    return Asked(_in_order(grid, places), tuple(tables), tuple(drawn), tuple(files), tuple(jobs))


def target_of(kind: str, name: str) -> str:
    """The target of a ``row`` or ``figure`` by its name; names of rules have no hyphens."""
    return f"{kind}_{name.replace('-', '_')}"


Shown = tuple[dict[str, Row], dict[str, None], dict[str, None]]
"""Rows by id, tables and figures."""


def _known(grid: Grid, figures: Iterable[str]) -> dict[str, Shown]:
    """Target → what it shows."""
    known: dict[str, Shown] = {}
    for table in grid.tables():
        rows = {row.id: row for row in grid.experiments.rows_of(table)}
        known[f"table_{table}"] = (rows, {table: None}, {})
    for row in grid.rows():
        known[target_of("row", row.id)] = ({row.id: row}, {}, {})
    for name in figures:
        known[target_of("figure", name)] = ({}, {}, {name: None})
    rows, tables = {row.id: row for row in grid.rows()}, dict.fromkeys(grid.tables())
    drawn = dict.fromkeys(figures)
    known |= {"all_tables": (rows, tables, {}), "all_figures": ({}, {}, drawn)}
    return known | dict.fromkeys(("all", "report"), (rows, tables, drawn))


def _in_order(grid: Grid, places: Sequence[Place]) -> tuple[Place, ...]:
    """Each of them once, with those that they start from."""
    known = grid.experiments.rows
    starts = [grid.start_of(place) for place in places if known[place.row].retrains]
    named = {*places, *starts}
    return tuple(place for place in grid.places(grid.rows()) if place in named)
