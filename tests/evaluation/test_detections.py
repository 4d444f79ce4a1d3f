import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.evaluation.detections import (
    Detections,
    read_detections,
    write_columns,
    write_json,
)

IMAGES, CATEGORIES = (4, 9, 17), (2, 5)


def detection(**changes: Any) -> dict[str, Any]:
    return {"image_id": 9, "category_id": 5, "bbox": [1.5, 2, 30, 4], "score": 0.25, **changes}


def faults(entries: list[Any]) -> list[tuple[str, str]]:
    """Where and found of each fault."""
    with pytest.raises(GbssError) as caught:
        read_detections(entries, images=IMAGES, categories=CATEGORIES)
    return [(fault.where, fault.found) for fault in caught.value.faults]


def test_reads_a_file_and_keeps_only_what_counts(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(json.dumps([detection(image_id=17, area=3), detection()]))
    result = read_detections(path, images=IMAGES, categories=CATEGORIES)
    assert list(result.entries()) == [detection(image_id=17), detection()]


def test_numpy_numbers_become_plain(tmp_path: Path) -> None:
    entry = detection(
        image_id=np.int64(4), score=np.float32(0.5), bbox=list(np.float32([1, 2, 3, 4]))
    )
    (result,) = read_detections([entry], images=IMAGES, categories=CATEGORIES).entries()
    assert json.loads(json.dumps(result))["score"] == 0.5


def test_all_faults_come_at_once_and_unknown_ids_once_each() -> None:
    nan, inf = float("nan"), float("inf")
    found = faults(
        [
            detection(),
            detection(score=nan),
            detection(bbox=[1, 2, -3, 4]),
            detection(bbox=[1, inf, 3, 4]),
            detection(image_id=77),
            detection(image_id=77),
            detection(image_id=10, category_id=3),
            detection(bbox=[1, 2, 3]),
            detection(image_id="9"),
            {"image_id": 4, "bbox": [1, 2, 3, 4]},
            "box",
        ]
    )
    assert found == [
        ("detections: entry 1", "score nan"),
        ("detections: entry 2", "bbox [1, 2, -3, 4]"),
        ("detections: entry 3", "bbox [1, inf, 3, 4]"),
        ("detections: entry 7", "bbox [1, 2, 3]"),
        ("detections: entry 8", "image_id '9'"),
        ("detections: entry 9", "no category_id, score"),
        ("detections: entry 10", "'box'"),
        (
            "detections: image 10",
            "1 detection(s) in an image that the annotation file does not have",
        ),
        (
            "detections: image 77",
            "2 detection(s) in an image that the annotation file does not have",
        ),
        ("detections: category 3", "1 detection(s) of a category that is not evaluated"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"image_id": 9, "categ', "truncated or not JSON"),
        ('{"annotations": []}', "expected: a list of detections"),
        ("[] []", "Extra data"),
        ("PK\x03\x04 and then nothing", "truncated or damaged"),
        (None, "no such file"),
    ],
)
def test_unusable_files(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "found.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(GbssError) as caught:
        read_detections(path, images=IMAGES, categories=CATEGORIES)
    assert message in str(caught.value)
    assert "found.json" in str(caught.value)


def test_numbers_beyond_floats() -> None:
    found = faults([detection(score=10**400), detection(bbox=[1, 2, 10**400, 4])])
    assert [where for where, _ in found] == ["detections: entry 0", "detections: entry 1"]


def test_ids_beyond_64_bits() -> None:
    found = faults([detection(image_id=2**63)])
    assert found == [("detections: entry 0", "image_id 9223372036854775808")]


def test_a_file_names_its_wrong_entries_by_their_places(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    entries: list[Any] = [detection() for _ in range(400)]
    entries[7] = detection(score=float("nan"))
    entries[300] = {"image_id": 4}
    entries[301] = detection(bbox=[1, 2, 3, -4])
    path.write_text(json.dumps(entries))
    with pytest.raises(GbssError) as caught:
        read_detections(path, images=IMAGES, categories=CATEGORIES)
    assert [(fault.where, fault.found) for fault in caught.value.faults] == [
        (f"{path}: entry 7", "score nan"),
        (f"{path}: entry 300", "no category_id, bbox, score"),
        (f"{path}: entry 301", "bbox [1, 2, 3, -4]"),
    ]


def detections(count: int = 40, kind: type = np.float64) -> Detections:
    """Made-up ones; those of float32 are what a network states."""
    random = np.random.default_rng(3)
    return Detections(
        image_ids=random.choice(IMAGES, count),
        category_ids=random.choice(CATEGORIES, count),
        boxes=random.uniform(0, 300, (count, 4)).astype(kind).astype(np.float64),
        scores=random.random(count).astype(kind).astype(np.float64),
    )


@pytest.mark.parametrize(("kind", "stored"), [(np.float32, "float32"), (np.float64, "float64")])
def test_columns_lose_nothing_on_their_way_to_json_and_back(tmp_path, kind, stored) -> None:
    columns, export, again = (tmp_path / name for name in ("a.npz", "b.json", "c.npz"))
    made = detections(kind=kind)
    write_columns(columns, made)
    with np.load(columns) as archive:
        assert str(archive["format"]) == "gbss detections"
        assert archive["version"] == 1
        assert archive["image_ids"].dtype == np.int32
        assert archive["boxes"].dtype == archive["scores"].dtype == stored
    found = read_detections(columns, images=IMAGES, categories=CATEGORIES)
    assert found.image_ids.dtype == np.int64
    assert found.boxes.dtype == np.float64
    write_json(export, found)
    assert json.loads(export.read_text()) == list(made.entries())
    write_columns(again, read_detections(export, images=IMAGES, categories=CATEGORIES))
    assert again.read_bytes() == columns.read_bytes()


def test_no_detections_and_large_ids_in_columns(tmp_path: Path) -> None:
    path, export = tmp_path / "a.npz", tmp_path / "b.json"
    write_columns(path, detections(0))
    assert len(read_detections(path, images=IMAGES, categories=CATEGORIES)) == 0
    write_json(export, detections(0))
    assert json.loads(export.read_text()) == []
    large = replace(detections(1), image_ids=np.array([2**40 + 1]))
    write_columns(path, large)
    assert read_detections(path, images=[2**40 + 1], categories=CATEGORIES).image_ids == [2**40 + 1]


def test_wrong_rows_of_columns_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    made = detections()
    made.scores[3] = np.nan
    made.boxes[8, 2] = -1.0
    made.image_ids[11] = 5
    write_columns(path, made)
    with pytest.raises(GbssError) as caught:
        read_detections(path, images=IMAGES, categories=CATEGORIES)
    where = [fault.where for fault in caught.value.faults]
    assert where == [f"{path}: entry 3", f"{path}: entry 8", f"{path}: image 5"]


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"format": np.array("mine")}, ["the format 'mine'"]),
        ({"version": np.array(2)}, ["version 2", "update gbss"]),
        ({"scores": None}, ["scores\n    found:    no such column"]),
        (
            {"boxes": np.zeros((40, 5)), "scores": np.zeros(40, np.int64)},
            ["boxes\n    found:    numbers of type float64 in the shape (40, 5)", "type int64"],
        ),
        ({"scores": np.zeros(39)}, ["columns of 39, 40 rows"]),
        ({"scores": np.array([None] * 40)}, ["truncated or damaged"]),
    ],
)
def test_columns_of_another_kind(tmp_path, changes, messages) -> None:
    path = tmp_path / "a.npz"
    write_columns(path, detections())
    with np.load(path) as archive:
        content = {**archive, **changes}
    np.savez(path, **{key: value for key, value in content.items() if value is not None})
    with pytest.raises(GbssError) as caught:
        read_detections(path, images=IMAGES, categories=CATEGORIES)
    assert all(message in str(caught.value) for message in messages)


def test_truncated_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_columns(path, detections())
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(GbssError, match="truncated or damaged"):
        read_detections(path, images=IMAGES, categories=CATEGORIES)
