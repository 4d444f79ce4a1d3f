"""Run records → a table of ours beside the paper's numbers.

`build_table` computes, `gbss.reporting.render` writes the text. Ours and the paper's numbers never
share a column, and what is missing is shown as missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from gbss.evaluation.record import Record
from gbss.files import write_text
from gbss.reporting import render
from gbss.reporting.comparison import comparison_note
from gbss.reporting.noise import noise_notes
from gbss.reporting.records import check_fit
from gbss.reporting.style import PAPER_SCALE

if TYPE_CHECKING:
    from gbss.experiments import Row, TableSpec
    from gbss.tasks.base import Task


@dataclass(frozen=True)
class Cell:
    """One group of classes in one row, in percent.

    Attributes:
        mean: Mean AP of ours over the seeds; None without runs or without ground truth.
        std: Sample standard deviation over the seeds (ddof = 1); None with fewer than two.
        paper: What the paper reports; None if it reports nothing.
        difference: ``mean - paper``; None unless both exist and `Table.comparable`.
    """

    mean: float | None
    std: float | None
    paper: float | None
    difference: float | None


@dataclass(frozen=True)
class TableRow:
    """One experiment in a table.

    Attributes:
        id: The row of ``experiments.yaml``.
        label: Its name in the table.
        seeds: Seeds with a record, ascending.
        cells: Group → numbers.
    """

    id: str
    label: str
    seeds: tuple[int, ...]
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Table:
    """A table that is ready to be written.

    Attributes:
        id: Its name in paths.
        title: What it shows.
        scale: Scale of the runs.
        task: Name of the task that they were trained on.
        context: The rest of the caption: task, scale, iterations.
        columns: Groups in the order of the columns.
        planned: Seeds that each row should have.
        rows: In the order of ``experiments.yaml``.
        notes: Sentences below the table.
        comparable: Whether differences from the paper's numbers mean anything: only at the paper's
            scale and on the paper's task. Embedded data have nothing to be compared with.
    """

    id: str
    title: str
    scale: str
    task: str
    context: str
    columns: tuple[str, ...]
    planned: tuple[int, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]
    comparable: bool

    def markdown(self) -> str:
        """The table for README files, rounded to one decimal."""
        return render.markdown(self)

    def csv(self) -> str:
        """The table for programs: full precision, in percent, empty where there is nothing."""
        return render.csv(self)

    def tex(self) -> str:
        """The table for LaTeX with the package booktabs, rounded to one decimal."""
        return render.tex(self)


def build_table(
    spec: TableSpec,
    rows: Sequence[Row],
    records: Mapping[str, Sequence[Record]],
    *,
    scale: str,
    summary: str,
    task: Task,
    planned_seeds: Sequence[int],
) -> Table:
    """Puts a table together.

    Args:
        spec: Which table.
        rows: Its rows, in order.
        records: Row id → its records (`load_records`); rows without records are shown as missing.
        scale: Scale of the runs.
        summary: The scale's name and what it says about itself, for the caption.
        task: Task that the rows were trained on at this scale; it may stand in for ``spec.task``.
        planned_seeds: Seeds that each row should have at this scale.

    Raises:
        GbssError: A record does not fit its row, see `check_fit`.
    """
    used = {row.id: list(records.get(row.id, ())) for row in rows}
    for name, its in used.items():
        check_fit(its, scale=scale, task=task.name, row=name, groups=spec.columns)
    every = [record for its in used.values() for record in its]
    planned = tuple(sorted(planned_seeds))
    comparable = scale == PAPER_SCALE and task.name == spec.task
    table_rows = tuple(_row(spec, row, used[row.id], comparable) for row in rows)
    return Table(
        id=spec.id,
        title=spec.title if task.name == spec.task else f"{spec.title}, here {task.name}",
        scale=scale,
        task=task.name,
        context=f"{task.title}; {summary}; {_training(every)}.",
        columns=spec.columns,
        planned=planned,
        rows=table_rows,
        notes=(
            *spec.notes,
            *_comparison(spec, rows, used),
            *noise_notes(every, spec.columns),
            *_paper_notes(spec, rows, task),
            *_seed_notes(table_rows, planned),
            *_input_notes(every),
        ),
        comparable=comparable,
    )


def write_table(table: Table, folder: Path) -> None:
    """Writes ``<table>.md``, ``.csv`` and ``.tex`` into a folder, each in one step."""
    write_text(folder / f"{table.id}.md", table.markdown())
    write_text(folder / f"{table.id}.csv", table.csv())
    write_text(folder / f"{table.id}.tex", table.tex())


def _row(spec: TableSpec, row: Row, records: Sequence[Record], comparable: bool) -> TableRow:
    paper = row.paper[spec.id].values if spec.id in row.paper else {}
    cells = {
        group: _cell(
            [record["groups"][group]["ap"] for record in records],
            paper.get(group),
            comparable=comparable,
        )
        for group in spec.columns
    }
    return TableRow(row.id, row.label, tuple(sorted(r["run"]["seed"] for r in records)), cells)


def _cell(values: Sequence[float | None], paper: float | None, *, comparable: bool) -> Cell:
    percent = [100 * value for value in values if value is not None]
    # A group has ground truth for every seed or for none; a mixture has no honest mean.
    complete = len(percent) == len(values) > 0
    mean = fmean(percent) if complete else None
    std = stdev(percent) if complete and len(percent) > 1 else None
    difference = mean - paper if comparable and mean is not None and paper is not None else None
    return Cell(mean, std, paper, difference)


def _training(records: Sequence[Record]) -> str:
    if not records:
        return "no runs yet"
    iterations = sorted({record["training"]["iterations"] for record in records})
    models = sorted({record["model"] for record in records})
    span = " to ".join(f"{count:,}" for count in dict.fromkeys((iterations[0], iterations[-1])))
    spread = "mean ± standard deviation over the seeds"
    return f"AP of the {' or '.join(models)} after {span} iterations, {spread}"


def _comparison(
    spec: TableSpec, rows: Sequence[Row], records: Mapping[str, Sequence[Record]]
) -> list[str]:
    if spec.compare is None:
        return []
    one, other = spec.compare
    labels = {row.id: row.label for row in rows}
    pair = (records[one], records[other])
    return [comparison_note((labels[one], labels[other]), pair, spec.columns)]


def _paper_notes(spec: TableSpec, rows: Sequence[Row], task: Task) -> list[str]:
    sources = list(dict.fromkeys(row.paper[spec.id].source for row in rows if spec.id in row.paper))
    if not sources:
        return ["The paper's numbers for this table are not available."]
    where = "" if task.name == spec.task else f" (task {spec.task}, not {task.name})"
    return [f"The paper's numbers: {'; '.join(sources)}{where}."]


def _seed_notes(rows: Sequence[TableRow], planned: Sequence[int]) -> list[str]:
    notes = []
    for row in rows:
        missing = [seed for seed in planned if seed not in row.seeds]
        extra = [seed for seed in row.seeds if seed not in planned]
        if row.seeds and missing:
            notes.append(
                f"{row.label}: only {len(planned) - len(missing)} of {len(planned)} planned seeds, "
                f"missing {_join(missing)}."
            )
        if extra:
            notes.append(f"{row.label}: includes seeds that are not planned: {_join(extra)}.")
    absent = [row.label for row in rows if not row.seeds]
    if absent:
        notes.append(f"No run published yet: {', '.join(absent)}.")
    return notes


def _input_notes(records: Sequence[Record]) -> list[str]:
    """Rows of one table are comparable only if they saw the same annotation files.

    Other labels, and the run that a second stage starts from, are choices of a row.
    """
    sums: dict[str, set[str]] = {}
    for record in records:
        own_labels = "labels" in record["settings"].get("method", {})
        chosen = {"start", *(["labeled"] if own_labels else [])}
        for name in record["inputs"].keys() - chosen:
            sums.setdefault(name, set()).add(record["inputs"][name])
    return [
        f"The runs used {len(found)} different versions of {name}; compare rows with care."
        for name, found in sorted(sums.items())
        if len(found) > 1
    ]


def _join(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
