"""The record of one run: everything that is needed to read, compare and repeat it, as JSON.

A record is plain data (`Record`). Records may come from elsewhere, so reading checks the schema
(`record_schema.py`) and that the numbers of the groups follow from those of the classes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from gbss.errors import Faults, fail
from gbss.evaluation.groups import ALL, group_means, mean_or_none
from gbss.evaluation.per_class import PerClass
from gbss.evaluation.record_schema import SCHEMA
from gbss.files import read_json, write_json
from gbss.schema import check_schema

METRICS: tuple[Literal["ap"], Literal["ap50"], Literal["ap75"]] = ("ap", "ap50", "ap75")
"""The measures of a record, as fractions: AP@[.5:.95], AP at IoU 0.5, AP at IoU 0.75."""

_TOLERANCE = 1e-9
_AGAIN = "write the record again with `gbss record`; records are not edited by hand"


class Run(TypedDict):
    """What tells one run from another."""

    scale: str
    task: str
    row: str
    seed: int


class Training(TypedDict):
    """The training of a run; ``seconds`` is wall-clock time over all its restarts."""

    iterations: int
    seconds: float
    device: str


class ClassNumbers(TypedDict):
    """One class: its non-crowd ground-truth boxes and AP (None without ground truth)."""

    id: int
    name: str
    group: str
    ground_truth: int
    ap: float | None
    ap50: float | None
    ap75: float | None


class GroupNumbers(TypedDict):
    """One group: means over its ``evaluated`` classes, see `gbss.evaluation.groups`."""

    ap: float | None
    ap50: float | None
    ap75: float | None
    classes: int
    evaluated: int


class Record(TypedDict):
    """A run record, version 1.

    Attributes:
        model: Which of the two detectors was evaluated: ``teacher`` or ``student``.
        digest: SHA-256 of the resolved settings, see `digest`.
        settings: The resolved settings of the run.
        versions: Versions of the packages it ran with.
        inputs: SHA-256 of each annotation file that it was trained or evaluated with.
        images: Number of images in the evaluation.
        per_class: In the order of ascending category id.
        groups: "all" first.
    """

    schema: Literal[1]
    run: Run
    model: str
    digest: str
    settings: dict[str, Any]
    versions: dict[str, str]
    training: Training
    inputs: dict[str, str]
    images: int
    per_class: list[ClassNumbers]
    groups: dict[str, GroupNumbers]


def build(
    *,
    run: Run,
    model: Literal["teacher", "student"],
    settings: Mapping[str, Any],
    versions: Mapping[str, str],
    training: Training,
    inputs: Mapping[str, str],
    per_class: PerClass,
    groups: Mapping[str, Sequence[str]],
) -> Record:
    """Puts a record together.

    Args:
        run: Scale, task, row and seed.
        model: Which of the two detectors was evaluated.
        settings: The resolved settings of the run, plain JSON.
        versions: Package → version.
        training: Iterations, seconds and device.
        inputs: Relative path → SHA-256 of each annotation file used.
        per_class: The result of `gbss.evaluation.per_class.evaluate`.
        groups: The groups of the task: group name → class names.

    Raises:
        GbssError: The groups do not fit the classes, or the record would not be readable.
    """
    means = group_means(per_class, groups)
    group_of = {name: group for group, names in groups.items() for name in names}
    record: Record = {
        "schema": 1,
        "run": run,
        "model": model,
        "digest": digest(settings),
        "settings": dict(settings),
        "versions": dict(versions),
        "training": training,
        "inputs": dict(inputs),
        "images": per_class.images,
        "per_class": [
            {
                "id": per_class.ids[k],
                "name": name,
                "group": group_of[name],
                "ground_truth": int(per_class.ground_truth[k]),
                "ap": _none_if_nan(per_class.ap[k]),
                "ap50": _none_if_nan(per_class.ap50[k]),
                "ap75": _none_if_nan(per_class.ap75[k]),
            }
            for k, name in enumerate(per_class.names)
        ],
        "groups": {name: cast("GroupNumbers", asdict(mean)) for name, mean in means.items()},
    }
    return check(record, "the new record")


def digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 of settings as JSON with sorted keys, so that their order does not matter."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def path_of(root: Path, run: Run) -> Path:
    """Where the published record of a run stands below ``root`` (``results/runs``)."""
    return root / run["scale"] / run["task"] / run["row"] / f"seed-{run['seed']}.json"


def write(path: Path, record: Record) -> None:
    """Writes a record in one step."""
    write_json(path, check(record, str(path)))


def read(path: Path) -> Record:
    """Reads and checks a record.

    Raises:
        GbssError: The file is missing, not JSON, does not fit the schema, or its groups do not
            follow from its classes; everything that is wrong is reported at once.
    """
    return check(read_json(path, what="run record"), str(path))


def check(value: Any, where: str) -> Record:
    """Checks the schema, then the numbers, of a record from ``where``; returns it unchanged."""
    check_schema(value, SCHEMA, source=where)
    _check_finite(value, where)
    record = cast("Record", value)
    with Faults() as faults:
        _check_classes(record, where, faults)
        _check_groups(record, where, faults)
    return record


def _check_finite(value: Any, where: str) -> None:
    """Python reads NaN and Infinity from JSON, and no ``minimum`` of a schema refuses NaN."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise fail(
            where, found="NaN or infinity", expected="finite numbers, or null", fix=_AGAIN
        ) from error


def _check_classes(record: Record, where: str, faults: Faults) -> None:
    for number, row in enumerate(record["per_class"]):
        for metric in METRICS:
            if (row[metric] is None) != (row["ground_truth"] == 0):
                faults.add(
                    f"{where}: $.per_class[{number}].{metric} ({row['name']})",
                    found=f"{row[metric]} with {row['ground_truth']} ground-truth boxes",
                    expected="null exactly if the class has no ground truth",
                    fix=_AGAIN,
                )


def _check_groups(record: Record, where: str, faults: Faults) -> None:
    members: dict[str, list[ClassNumbers]] = {ALL: record["per_class"]}
    for row in record["per_class"]:
        members.setdefault(row["group"], []).append(row)
    if set(members) != set(record["groups"]):
        faults.add(
            f"{where}: $.groups",
            found=", ".join(record["groups"]) or "none",
            expected=f"the groups of the classes: {', '.join(members)}",
            fix=_AGAIN,
        )
        return
    for group, rows in members.items():
        found = cast("Mapping[str, float | None]", record["groups"][group])
        expected: dict[str, float | None] = {"classes": len(rows)}
        expected["evaluated"] = sum(row["ground_truth"] > 0 for row in rows)
        for metric in METRICS:
            expected[metric] = mean_or_none(row[metric] for row in rows)
        for key, value in expected.items():
            if not _same(found[key], value):
                faults.add(
                    f"{where}: $.groups.{group}.{key}",
                    found=str(found[key]),
                    expected=f"{value}, from the classes of the group",
                    fix=_AGAIN,
                )


def _same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=0, abs_tol=_TOLERANCE)


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
