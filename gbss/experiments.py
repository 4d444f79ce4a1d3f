"""The rows and tables of ``workflow/experiments.yaml``, typed; every fault of the file at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbss import tasks
from gbss.errors import Faults, GbssError, nearest
from gbss.rows import DEFAULT_RFS_THRESHOLD, ONE_STAGE, PaperNumbers, Row, refusals
from gbss.schema import WORKFLOW, check_schema, read_yaml

__all__ = ["Experiments", "PaperNumbers", "Row", "TableSpec", "load_experiments"]

DEFAULT_BETA = DEFAULT_GAMMA = 0.5
"""The paper's choices on COCO (supplement, Tables 1 and 2)."""


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
    with Faults() as faults:
        raw, broken = _sound(faults, raw, schema, path)
        tables = {name: _table(name, entry) for name, entry in raw["tables"].items()}
        rows = {name: _row(name, entry) for name, entry in raw["rows"].items()}
        experiments = Experiments(rows, tables)
        for row in rows.values():
            _check_row(faults, row, tables, broken, path)
            if row.retrains not in broken:
                _check_retrained(faults, row, rows, path)
        for table in tables.values():
            _check_table(faults, table, experiments, broken, path)
    return experiments


def _sound(
    faults: Faults, raw: Any, schema: Mapping[str, Any], path: Path
) -> tuple[dict[str, dict[str, Any]], frozenset[str]]:
    """What can be read on in spite of the schema's faults, and names of the other rows and tables.

    So that what is wrong with one row and the name of another's table come in one message.
    """
    try:
        check_schema(raw, schema, source=path)
    except GbssError as error:
        for fault in error.faults:
            faults.add(fault.where, found=fault.found, expected=fault.expected, fix=fault.fix)
    kept: dict[str, dict[str, Any]] = {"tables": {}, "rows": {}}
    broken = set()
    if not isinstance(raw, dict) or not all(isinstance(raw.get(part), dict) for part in kept):
        return kept, frozenset()
    for part, fine in kept.items():
        of_one = schema["properties"][part]["additionalProperties"]
        for name, entry in raw[part].items():
            try:
                if len(faults):
                    check_schema(entry, of_one, source=path)
                fine[name] = entry
            except GbssError:
                broken.add(name)
    return kept, frozenset(broken)


def _check_table(
    faults: Faults, table: TableSpec, experiments: Experiments, broken: frozenset[str], path: Path
) -> None:
    where = f"{path}: tables.{table.id}"
    _check_task(faults, f"{where}.task", table.task)
    _check_columns(faults, f"{where}.columns", table)
    known = [row.id for row in experiments.rows_of(table.id)]
    for name in table.compare or ():
        if name not in known and name not in broken:
            found, fix = repr(name), "name rows of this table"
            faults.add(f"{where}.compare", found=found, expected=nearest(name, known), fix=fix)
    if not known and not broken:
        faults.add(
            where,
            found="no row names this table",
            expected="at least one row",
            fix="add it to the tables of a row, or remove it",
        )


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
    focal = variant == "release" or entry["detector"] in ("unbiased_teacher", *ONE_STAGE)
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
        loss=entry.get("loss", "focal" if focal else "cross_entropy"),
        variant=variant,
        pseudo_labels=entry.get("pseudo_labels", "teacher"),
        decoupling=entry.get("decoupling", "none"),
        calibration=entry.get("calibration", "none"),
        labels=entry.get("labels", "split"),
        retrains=entry.get("retrains"),
    )


def _check_retrained(faults: Faults, row: Row, rows: Mapping[str, Row], path: Path) -> None:
    """A row that starts from another one's run needs one that can be had, of its task."""
    if row.retrains is None:
        return
    where, fix = f"{path}: rows.{row.id}.retrains", "name a row of the same task"
    base = rows.get(row.retrains)
    if base is None:
        faults.add(where, found=repr(row.retrains), expected=nearest(row.retrains, rows), fix=fix)
    elif base.task != row.task:
        found = f"{base.id!r}, a row of the task {base.task!r}"
        faults.add(where, found=found, expected=f"a row of {row.task!r}", fix=fix)
    elif base.retrains is not None:
        found = f"{base.id!r}, which itself starts from another row"
        faults.add(where, found=found, expected="a row that is trained in one stage", fix=fix)
    elif base.one_stage:
        found = f"{base.id!r} with the detector {base.detector!r}"
        faults.add(where, found=found, expected="a row with a detector of two stages", fix=fix)
    elif base.decoupling != row.decoupling:
        found = f"{base.id!r} with decoupling: {base.decoupling}"
        faults.add(where, found=found, expected=f"decoupling: {row.decoupling}", fix=fix)
    elif base.labels != row.labels:
        found = f"{base.id!r} with labels: {base.labels}"
        faults.add(where, found=found, expected=f"labels: {row.labels}", fix=fix)


def _check_row(
    faults: Faults,
    row: Row,
    tables: Mapping[str, TableSpec],
    broken: frozenset[str],
    path: Path,
) -> None:
    where = f"{path}: rows.{row.id}"
    _check_task(faults, f"{where}.task", row.task)
    for each in refusals(row):
        key = f"{where}.{each.key}"
        faults.add(key, found=each.found, expected=each.expected, fix=each.fix)
    for name in (name for name in row.tables if name not in broken):
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
