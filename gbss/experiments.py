"""The rows and tables of ``workflow/experiments.yaml``, typed; every fault of the file at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from gbss import tasks
from gbss.errors import Faults, nearest
from gbss.schema import WORKFLOW, check_schema, read_yaml

DEFAULT_BETA = DEFAULT_GAMMA = 0.5
"""The paper's choices on COCO (supplement, Tables 1 and 2)."""

DEFAULT_RFS_THRESHOLD = 0.1
"""t of repeat-factor sampling on COCO: classes in fewer images than one in ten are repeated
(released code, its COCO configuration)."""


@dataclass(frozen=True)
class PaperNumbers:
    """What the paper reports for a row in one table.

    Attributes:
        source: Where it stands: ``supplement, Table 3``.
        values: Column name → AP in percent.
    """

    source: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """One experiment: choices by name, trained once per seed and scale.

    Attributes:
        id: Its name in paths and targets.
        label: Its name in tables and figures.
        task: The paper's task; a scale may put another in its place.
        detector: The semi-supervised detector.
        tables: The tables that it appears in.
        paper: Table → the paper's numbers; a table that is missing here has none.
        reweighting: GbR: how the class weights in the loss are solved for; none: it has none.
        thresholds: ``gbt``: class-wise by the class weights; ``fixed``: one for all.
        labeled_sampling: ``random`` or by repeat factors (``rfs``).
        unlabeled_sampling: ``random``, ``rfs`` by pseudo labels, or ``crs``.
        rfs_threshold: t of repeat-factor sampling.
        beta: Smoothing of the class weights on labeled images; None without GbR.
        gamma: Cap of the re-sampling threshold λ; None without CrS.
        loss: The classification loss that the class weights multiply.
        variant: The paper's text, or the released code's behaviour where it differs.
    """

    id: str
    label: str
    task: str
    detector: str
    tables: tuple[str, ...]
    paper: Mapping[str, PaperNumbers]
    reweighting: str = "none"
    thresholds: str = "fixed"
    labeled_sampling: str = "random"
    unlabeled_sampling: str = "random"
    rfs_threshold: float = DEFAULT_RFS_THRESHOLD
    beta: float | None = None
    gamma: float | None = None
    loss: str = "cross_entropy"
    variant: str = "paper"

    @property
    def method(self) -> dict[str, Any]:
        """What decides how the row is trained, without labels and tables.

        Choices that leave the detector as it is are left out: a new kind of choice does not make
        the runs of rows without it look outdated.
        """
        plain = {
            field.name: field.default for field in fields(self) if field.default is not MISSING
        }
        chosen = {name: getattr(self, name) for name in plain}
        changed = {name: value for name, value in chosen.items() if value != plain[name]}
        return {"task": self.task, "detector": self.detector} | changed

    @property
    def solver(self) -> str | None:
        """What solves for the class weights; GbT without GbR needs them, too."""
        if self.reweighting != "none":
            return self.reweighting
        return "jacobi" if self.thresholds == "gbt" else None

    @property
    def windowed(self) -> bool:
        """Whether its training depends on the windows of the scale's ``method``."""
        return self.solver is not None or self.unlabeled_sampling != "random"


@dataclass(frozen=True)
class TableSpec:
    """A table of the paper, or one of our own.

    Attributes:
        id: Its name in paths and targets.
        title: Its caption, without the scale.
        task: The paper's task that its rows share.
        columns: Groups of classes in the order of the columns.
        notes: Sentences shown under it.
        compare: A row and the one that its difference is stated against, under the table.
    """

    id: str
    title: str
    task: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    compare: tuple[str, str] | None = None


@dataclass(frozen=True)
class Experiments:
    """Everything in ``experiments.yaml``.

    Attributes:
        rows: Row id → row, in the order of the file.
        tables: Table id → table, in the order of the file.
    """

    rows: Mapping[str, Row]
    tables: Mapping[str, TableSpec]

    def rows_of(self, table: str) -> tuple[Row, ...]:
        """The rows of a table, in the order of the file."""
        return tuple(row for row in self.rows.values() if table in row.tables)


def load_experiments(path: Path = WORKFLOW / "experiments.yaml") -> Experiments:
    """Reads and checks the rows and tables.

    Raises:
        GbssError: With every fault: unknown keys and values, rows in unknown tables, rows of
            another task than their table's, paper numbers for unknown columns, unknown tasks,
            columns that are no group of the task or stand there twice, tables without a row.
    """
    raw = read_yaml(path, what="list of experiments")
    schema = read_yaml(WORKFLOW / "experiments.schema.yaml", what="schema")
    check_schema(raw, schema, source=path)
    tables = {name: _table(name, entry) for name, entry in raw["tables"].items()}
    rows = {name: _row(name, entry) for name, entry in raw["rows"].items()}
    experiments = Experiments(rows, tables)
    with Faults() as faults:
        for row in rows.values():
            _check_row(faults, row, tables, path)
        for table in tables.values():
            _check_task(faults, f"{path}: tables.{table.id}.task", table.task)
            _check_columns(faults, f"{path}: tables.{table.id}.columns", table)
            known = [row.id for row in experiments.rows_of(table.id)]
            for name in table.compare or ():
                if name not in known:
                    where, fix = f"{path}: tables.{table.id}.compare", "name rows of this table"
                    faults.add(where, found=repr(name), expected=nearest(name, known), fix=fix)
            if not experiments.rows_of(table.id):
                faults.add(
                    f"{path}: tables.{table.id}",
                    found="no row names this table",
                    expected="at least one row",
                    fix="add it to the tables of a row, or remove it",
                )
    return experiments


def _table(name: str, entry: Mapping[str, Any]) -> TableSpec:
    notes = tuple(entry.get("notes", ()))
    compare = (entry["compare"]["row"], entry["compare"]["against"]) if "compare" in entry else None
    columns = tuple(entry["columns"])
    return TableSpec(name, entry["title"], entry["task"], columns, notes, compare)


def _row(name: str, entry: Mapping[str, Any]) -> Row:
    paper = {
        table: PaperNumbers(numbers["source"], dict(numbers["values"]))
        for table, numbers in entry["tables"].items()
        if numbers is not None
    }
    sampling = entry.get("sampling", {})
    reweighting = entry.get("reweighting", "none")
    crs = sampling.get("unlabeled") == "crs"
    variant = entry.get("variant", "paper")
    return Row(
        name,
        entry["label"],
        entry["task"],
        entry["detector"],
        tuple(entry["tables"]),
        paper,
        reweighting=reweighting,
        thresholds=entry.get("thresholds", "fixed"),
        labeled_sampling=sampling.get("labeled", "random"),
        unlabeled_sampling=sampling.get("unlabeled", "random"),
        rfs_threshold=entry.get("rfs_threshold", DEFAULT_RFS_THRESHOLD),
        beta=entry.get("beta", DEFAULT_BETA if reweighting != "none" else None),
        gamma=entry.get("gamma", DEFAULT_GAMMA if crs else None),
        loss=entry.get("loss", "focal" if variant == "release" else "cross_entropy"),
        variant=variant,
    )


def _check_choices(faults: Faults, row: Row, where: str) -> None:
    """Choices that could not have an effect: the row would not be what its name says."""
    rfs = "rfs" in (row.labeled_sampling, row.unlabeled_sampling)
    useless = {
        "rfs_threshold": (row.rfs_threshold != DEFAULT_RFS_THRESHOLD and not rfs, "labeled: rfs"),
        "beta": (row.beta is not None and row.reweighting == "none", "reweighting: jacobi"),
        "gamma": (row.gamma is not None and row.unlabeled_sampling != "crs", "unlabeled: crs"),
        "variant": (row.variant == "release" and not row.windowed, "GbR, GbT or a pool"),
    }
    for name, (found, needed) in useless.items():
        if found:
            faults.add(
                f"{where}.{name}",
                found=f"{getattr(row, name)!r} in a row that it cannot change",
                expected=f"a row with {needed}",
                fix=f"remove {name!r}, or add what it belongs to",
            )


def _check_row(faults: Faults, row: Row, tables: Mapping[str, TableSpec], path: Path) -> None:
    where = f"{path}: rows.{row.id}"
    _check_task(faults, f"{where}.task", row.task)
    _check_choices(faults, row, where)
    for name in row.tables:
        table = tables.get(name)
        if table is None:
            faults.add(
                f"{where}.tables",
                found=repr(name),
                expected=nearest(name, tables),
                fix="name a table of this file, or add it under 'tables'",
            )
            continue
        if table.task != row.task:
            faults.add(
                f"{where}.tables.{name}",
                found=f"a row of the task {row.task!r} in a table of {table.task!r}",
                expected="one task per table",
                fix="correct one of the two",
            )
        stated = row.paper[name].values if name in row.paper else {}
        for column in sorted(set(stated) - set(table.columns)):
            faults.add(
                f"{where}.tables.{name}.values",
                found=repr(column),
                expected=nearest(column, table.columns),
                fix="use the table's columns",
            )


def _check_columns(faults: Faults, where: str, table: TableSpec) -> None:
    for column, count in Counter(table.columns).items():
        if count > 1:
            fix = "remove all but one"
            faults.add(where, found=f"{column!r} {count} times", expected="each once", fix=fix)
        if table.task in tasks.names():
            known = ("all", *tasks.get(table.task).groups)
            if column not in known:
                expected, fix = nearest(column, known), "name a group of the task's classes"
                faults.add(where, found=repr(column), expected=expected, fix=fix)


def _check_task(faults: Faults, where: str, task: str) -> None:
    if task not in tasks.names():
        faults.add(
            where,
            found=repr(task),
            expected=nearest(task, tasks.names()),
            fix="name a task of gbss/tasks",
        )
