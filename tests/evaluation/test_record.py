import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.evaluation import record
from gbss.evaluation.per_class import PerClass
from gbss.evaluation.record import Record

SETTINGS = {"row": {"detector": "soft_teacher"}, "iterations": 700, "momentum": 0.99}


@pytest.fixture
def made() -> Record:
    per_class = PerClass(
        images=6,
        ids=(3, 7, 12),
        names=("kite", "bus", "cat"),
        ground_truth=np.array([8, 2, 0]),
        ap=np.array([0.5, 0.2, np.nan]),
        ap50=np.array([0.75, 0.25, np.nan]),
        ap75=np.array([0.625, 0.0, np.nan]),
        ar=np.array([0.6, 0.3, np.nan]),
    )
    return record.build(
        run={"scale": "demo", "task": "mini", "row": "soft-teacher", "seed": 3},
        model="teacher",
        settings=SETTINGS,
        versions={"python": "3.11.7"},
        training={"iterations": 700, "seconds": 81.5, "device": "cpu"},
        inputs={"build/splits/mini/labeled.json": "0" * 63 + "a"},
        per_class=per_class,
        groups={"majority": ("cat", "kite"), "minority": ("bus",)},
    )


def test_build_holds_null_where_there_is_no_ground_truth(made: Record) -> None:
    assert made["per_class"][2] == {
        "id": 12,
        "name": "cat",
        "group": "majority",
        "ground_truth": 0,
        "ap": None,
        "ap50": None,
        "ap75": None,
    }
    assert made["groups"]["all"] == {
        "ap": pytest.approx(0.35),
        "ap50": pytest.approx(0.5),
        "ap75": pytest.approx(0.3125),
        "classes": 3,
        "evaluated": 2,
    }
    assert made["groups"]["majority"]["ap"] == 0.5
    assert made["images"] == 6


def test_digest_ignores_the_order_of_keys_and_sees_every_value() -> None:
    turned = dict(reversed(SETTINGS.items()))
    assert record.digest(turned) == record.digest(SETTINGS)
    assert record.digest({**SETTINGS, "iterations": 701}) != record.digest(SETTINGS)
    assert record.digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_written_and_read_again(made: Record, tmp_path: Path) -> None:
    path = record.path_of(tmp_path, made["run"])
    assert path == tmp_path / "demo" / "mini" / "soft-teacher" / "seed-3.json"
    record.write(path, made)
    assert record.read(path) == made
    assert [entry.name for entry in path.parent.iterdir()] == ["seed-3.json"]


def read_changed(made: Record, tmp_path: Path, **changes: Any) -> str:
    """The message of reading a record with changes; keys are paths like ``run__seed``."""
    changed: Any = copy.deepcopy(made)
    for key, value in changes.items():
        *parents, last = key.split("__")
        target = changed
        for parent in parents:
            target = target[int(parent) if parent.isdecimal() else parent]
        target[last] = value
    path = tmp_path / "seed-3.json"
    path.write_text(json.dumps(changed))
    with pytest.raises(GbssError) as caught:
        record.read(path)
    return str(caught.value)


def test_all_faults_of_the_schema_at_once(made: Record, tmp_path: Path) -> None:
    message = read_changed(
        made,
        tmp_path,
        run__seed="3",
        digest="12ab",
        note="mine",
        per_class__1__ap=1.5,
        training={"iterations": 700, "device": "cpu"},
    )
    for place in ("run.seed", "digest", "'note'", "per_class.1.ap", "training"):
        assert place in message
    assert message.count("found:") == 5


def test_numbers_must_be_finite(made: Record, tmp_path: Path) -> None:
    message = read_changed(made, tmp_path, training__seconds=float("nan"))
    assert "NaN or infinity" in message


def test_groups_must_follow_from_the_classes(made: Record, tmp_path: Path) -> None:
    message = read_changed(made, tmp_path, groups__minority__ap=0.9, groups__all__evaluated=3)
    assert "$.groups.minority.ap\n    found:    0.9\n    expected: 0.2" in message
    assert "$.groups.all.evaluated\n    found:    3\n    expected: 2" in message


def test_groups_must_be_those_of_the_classes(made: Record, tmp_path: Path) -> None:
    message = read_changed(made, tmp_path, per_class__0__group="rare")
    assert "the groups of the classes: all, rare, minority, majority" in message


def test_ap_is_null_exactly_without_ground_truth(made: Record, tmp_path: Path) -> None:
    message = read_changed(made, tmp_path, per_class__2__ap=0.0, per_class__1__ap50=None)
    assert "$.per_class[2].ap (cat)\n    found:    0.0 with 0 ground-truth boxes" in message
    assert "$.per_class[1].ap50 (bus)\n    found:    None with 2 ground-truth boxes" in message


def test_an_edited_record_is_noticed(made: Record, tmp_path: Path) -> None:
    assert "the digest of the settings" in read_changed(made, tmp_path, settings={"lr": 1})
    message = read_changed(made, tmp_path, per_class__0__name="bus", per_class__2__id=7)
    assert "2 classes with the name 'bus'" in message
    assert "2 classes with the id 7" in message
    message = read_changed(made, tmp_path, per_class__1__ap50=0.1)
    assert "above AP50 0.1" in message
    assert "per_class.0.group" in read_changed(made, tmp_path, per_class__0__group="all")


INTERVALS = {
    "resamples": 100,
    "seed": 0,
    "level": 0.95,
    "groups": {
        "all": {"low": 0.25, "high": 0.5},
        "majority": {"low": 0.5, "high": 0.625},
        "minority": {"low": 0.0, "high": 0.25},
    },
}


def test_intervals_make_a_record_of_version_2(made: Record, tmp_path: Path) -> None:
    assert made["schema"] == 1
    with_intervals = {**made, "schema": 2, "intervals": INTERVALS}
    path = tmp_path / "seed-3.json"
    record.write(path, with_intervals)
    assert record.read(path) == with_intervals


def test_intervals_must_fit(made: Record, tmp_path: Path) -> None:
    made = {**made, "schema": 2, "intervals": INTERVALS}
    assert "some in version 1" in read_changed(made, tmp_path, schema=1)
    message = read_changed(made, tmp_path, intervals__groups__all__high=0.3)
    assert "an interval around the AP, which is 0.35" in message
    message = read_changed(made, tmp_path, intervals__groups__minority=None)
    assert "$.intervals.groups.minority" in message
    message = read_changed(made, tmp_path, intervals__groups={})
    assert "the groups of the record: all, majority, minority" in message
    assert "schema" in read_changed(made, tmp_path, schema=3)
    del made["intervals"]
    assert "none in version 2" in read_changed(made, tmp_path)


def test_truncated_file(made: Record, tmp_path: Path) -> None:
    path = tmp_path / "seed-3.json"
    path.write_text(json.dumps(made)[:200])
    with pytest.raises(GbssError, match="truncated or not JSON"):
        record.read(path)
