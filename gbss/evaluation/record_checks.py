"""Whether a record says what it may say, and whether its numbers agree with each other."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, cast

from gbss.errors import Faults, fail
from gbss.evaluation.groups import ALL, mean_or_none
from gbss.evaluation.record_schema import METRICS, SCHEMA, ClassNumbers, Record
from gbss.schema import check_schema

_TOLERANCE = 1e-9
_AGAIN = "write the record again with `gbss record`; records are not edited by hand"


def check(value: Any, where: str) -> Record:
    """Checks the schema, then the numbers, of a record from ``where``; returns it unchanged."""
    check_schema(value, SCHEMA, source=where)
    _check_finite(value, where)
    record = cast("Record", value)
    with Faults() as faults:
        _check_digest(record, where, faults)
        _check_classes(record, where, faults)
        _check_groups(record, where, faults)
        _check_intervals(record, where, faults)
    return record


def _check_finite(value: Any, where: str) -> None:
    """Python reads NaN and Infinity from JSON, and no ``minimum`` of a schema refuses NaN."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise fail(
            where, found="NaN or infinity", expected="finite numbers, or null", fix=_AGAIN
        ) from error


def _check_digest(record: Record, where: str, faults: Faults) -> None:
    if record["digest"] != digest(record["settings"]):
        faults.add(
            f"{where}: $.digest",
            found=record["digest"],
            expected=f"{digest(record['settings'])}, the digest of the settings",
            fix=_AGAIN,
        )


def _check_classes(record: Record, where: str, faults: Faults) -> None:
    for key in ("id", "name"):
        values = [row[key] for row in record["per_class"]]
        for value in sorted({value for value in values if values.count(value) > 1}):
            faults.add(
                f"{where}: $.per_class",
                found=f"{values.count(value)} classes with the {key} {value!r}",
                expected=f"each {key} once",
                fix=_AGAIN,
            )
    for number, row in enumerate(record["per_class"]):
        for metric in METRICS:
            if (row[metric] is None) != (row["ground_truth"] == 0):
                faults.add(
                    f"{where}: $.per_class[{number}].{metric} ({row['name']})",
                    found=f"{row[metric]} with {row['ground_truth']} ground-truth boxes",
                    expected="null exactly if the class has no ground truth",
                    fix=_AGAIN,
                )
        if row["ap"] is None or row["ap50"] is None:
            continue
        if row["ap"] > row["ap50"] + _TOLERANCE:
            faults.add(
                f"{where}: $.per_class[{number}] ({row['name']})",
                found=f"AP {row['ap']} above AP50 {row['ap50']}",
                expected="a mean over IoU thresholds, the lowest of which is 0.5",
                fix=_AGAIN,
            )


def _check_groups(record: Record, where: str, faults: Faults) -> None:
    members: dict[str, list[ClassNumbers]] = {ALL: list(record["per_class"])}
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


def _check_intervals(record: Record, where: str, faults: Faults) -> None:
    intervals = record.get("intervals")
    if (intervals is None) != (record["schema"] == 1):
        faults.add(
            f"{where}: $.intervals",
            found=f"{'none' if intervals is None else 'some'} in version {record['schema']}",
            expected="intervals in version 2, and none in version 1",
            fix=_AGAIN,
        )
    if intervals is None:
        return
    if list(intervals["groups"]) != list(record["groups"]):
        faults.add(
            f"{where}: $.intervals.groups",
            found=", ".join(intervals["groups"]) or "none",
            expected=f"the groups of the record: {', '.join(record['groups'])}",
            fix=_AGAIN,
        )
        return
    for group, ends in intervals["groups"].items():
        value = record["groups"][group]["ap"]
        if ends is None or value is None:
            good = ends is None and value is None
        else:
            good = ends["low"] - _TOLERANCE <= value <= ends["high"] + _TOLERANCE
        if not good:
            faults.add(
                f"{where}: $.intervals.groups.{group}",
                found=str(ends),
                expected=f"an interval around the AP, which is {value}, or null without AP",
                fix=_AGAIN,
            )


def _same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=0, abs_tol=_TOLERANCE)


def digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 of settings as JSON with sorted keys, so that their order does not matter."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
