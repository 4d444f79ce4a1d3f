import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.evaluation.detections import read_detections

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
    assert result == [detection(image_id=17), detection()]


def test_numpy_numbers_become_plain(tmp_path: Path) -> None:
    entry = detection(
        image_id=np.int64(4), score=np.float32(0.5), bbox=list(np.float32([1, 2, 3, 4]))
    )
    (result,) = read_detections([entry], images=IMAGES, categories=CATEGORIES)
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
