"""The record of one run: everything that is needed to read, compare and repeat it, as JSON.

A record is plain data (`Record`, in ``record_schema.py``). Records may come from elsewhere, so
reading checks the schema and that the numbers agree with each other (``record_checks.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gbss.evaluation.groups import group_means
from gbss.evaluation.per_class import PerClass
from gbss.evaluation.record_checks import check, digest
from gbss.evaluation.record_schema import Intervals, Record, Run, Training
from gbss.files import read_json, write_json

__all__ = [
    "Intervals",
    "Record",
    "Run",
    "Training",
    "build",
    "check",
    "digest",
    "path_of",
    "read",
    "write",
]


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
    intervals: Intervals | None = None,
) -> Record:
    """Puts a record together.

    Args:
        run: Scale, task, row and seed.
        model: Which of the two detectors was evaluated.
        settings: The resolved settings of the run, plain JSON.
        versions: Package → version.
        training: Iterations, seconds, device and processes.
        inputs: Relative path → SHA-256 of each annotation file used.
        per_class: The result of `gbss.evaluation.per_class.evaluate`.
        groups: The groups of the task: group name → class names.
        intervals: Of the groups' AP, if they were computed.

    Raises:
        GbssError: The groups do not fit the classes, or the record would not be readable.
    """
    means = group_means(per_class, groups)
    group_of = {name: group for group, names in groups.items() for name in names}
    record: Record = {
        "schema": 1 if intervals is None else 2,
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
        "groups": {
            name: {
                "ap": mean.ap,
                "ap50": mean.ap50,
                "ap75": mean.ap75,
                "classes": mean.classes,
                "evaluated": mean.evaluated,
            }
            for name, mean in means.items()
        },
    }
    if intervals is not None:
        record["intervals"] = intervals
    return check(record, "the new record")


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


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
