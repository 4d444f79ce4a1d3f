"""The published records that belong to a row of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gbss.errors import Fault, Faults, GbssError
from gbss.evaluation import record as run_record
from gbss.evaluation.record import Record


def load_records(
    root: Path, scale: str, task: str, row: str, settings: Mapping[str, Any]
) -> list[Record]:
    """Reads the records of one row, one per seed.

    Args:
        root: The folder of published records, ``results/runs``.
        scale: Scale of the runs: ``demo``.
        task: Task that they were trained on.
        row: Row of ``experiments.yaml``.
        settings: The ``method`` and ``scale`` that runs of this row have now. A record of other
            settings would pass for something that it is not.

    Returns:
        The records by ascending seed; an empty list if none was published.

    Raises:
        GbssError: Records that cannot be read, whose run is not the one that their path names, or
            that were made with other settings; the faults of all files at once.
    """
    records: list[Record] = []
    faults: list[Fault] = []
    for path in sorted((root / scale / task / row).glob("seed-*.json")):
        try:
            record = run_record.read(path)
        except GbssError as error:
            faults.extend(error.faults)
            continue
        if run_record.path_of(root, record["run"]) != path:
            faults.append(
                Fault(
                    str(path),
                    found=f"the record of {_run(record)}",
                    expected=f"a record of the run that its path names: {path.relative_to(root)}",
                    fix="move the file to the path of its run, or publish the run again",
                )
            )
        faults.extend(outdated(record["settings"], settings, str(path)))
        records.append(record)
    if faults:
        raise GbssError(*faults)
    return sorted(records, key=lambda record: record["run"]["seed"])


def outdated(made_with: Mapping[str, Any], settings: Mapping[str, Any], where: str) -> list[Fault]:
    """Where the settings of a run are not those that runs of its row have now.

    Args:
        made_with: Of the run; may hold more.
        settings: As for `load_records`.
        where: The file that the run's stand in.
    """
    found, expected = (
        _flat({key: all_.get(key, {}) for key in settings}) for all_ in (made_with, settings)
    )
    return [
        Fault(
            f"{where}: {key}",
            found=repr(found.get(key)),
            expected=f"{expected.get(key)!r}, as rows and scale say now",
            fix="remove the record and train the run again, or take the change back",
        )
        for key in sorted(found.keys() | expected.keys())
        if found.get(key) != expected.get(key)
    ]


def _flat(value: Any, name: str = "settings") -> dict[str, Any]:
    """Nested settings as dotted name → value."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {k: v for key, item in value.items() for k, v in _flat(item, f"{name}.{key}").items()}


def check_fit(
    records: Sequence[Record], *, scale: str, task: str, row: str, groups: Sequence[str]
) -> None:
    """Refuses records that do not belong into a row of a table.

    Args:
        records: The records meant for the row.
        scale: Scale of the table.
        task: Task of the table at that scale.
        row: Id of the row.
        groups: Columns of the table.

    Raises:
        GbssError: A record is of another scale, task or row, lacks a group, or repeats a seed.
    """
    seeds: set[int] = set()
    with Faults() as faults:
        for record in records:
            run = record["run"]
            where = f"record of {_run(record)}"
            if (run["scale"], run["task"], run["row"]) != (scale, task, row):
                faults.add(
                    where,
                    found="a run of another scale, task or row",
                    expected=f"{scale}/{task}/{row}",
                    fix="give each row the records of its own runs",
                )
            if run["seed"] in seeds:
                faults.add(
                    where,
                    found=f"a second record of seed {run['seed']}",
                    expected="one record for each seed",
                    fix="keep one of the two",
                )
            seeds.add(run["seed"])
            missing = [group for group in groups if group not in record["groups"]]
            if missing:
                faults.add(
                    where,
                    found=f"no group {', '.join(missing)}",
                    expected=f"groups {', '.join(groups)}",
                    fix="correct the columns of the table, or evaluate the run again",
                )


def _run(record: Record) -> str:
    run = record["run"]
    return f"{run['scale']}/{run['task']}/{run['row']}, seed {run['seed']}"
