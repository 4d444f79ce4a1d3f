import json
from dataclasses import replace

import pytest

from gbss.splits import coco_files
from gbss.splits.annotations import read
from gbss.splits.coco_files import write_all, write_validation


def load(path):
    return json.loads(path.read_bytes())


@pytest.fixture
def federated(small, write):
    """Annotations with all that a file can hold."""
    content = small()
    for image in content["images"]:
        image["neg_category_ids"] = [5, 2] if image["id"] == 40 else []
        image["not_exhaustive_category_ids"] = {7: [9]}.get(image["id"], [])
    for kind, frequency in zip(content["categories"], "rfc", strict=True):
        kind["frequency"] = frequency
    return read(write(content))


def test_all_labels_are_those_that_training_can_use(federated, tmp_path):
    write_all(federated, tmp_path / "all.json")
    found = load(tmp_path / "all.json")
    assert [image["id"] for image in found["images"]] == [7, 12, 40, 2**62 + 1]
    assert [box["id"] for box in found["annotations"]] == federated.box_ids[federated.usable].tolist()
    assert 21 in federated.box_ids[federated.usable]
    assert 17 not in federated.box_ids[federated.usable]


def test_what_is_written(federated, tmp_path):
    write_validation(federated, tmp_path / "val.json")
    assert load(tmp_path / "val.json") == {
        "images": [
            {
                "id": id_,
                "file_name": name,
                "width": width,
                "height": height,
                "neg_category_ids": [2, 5] if id_ == 40 else [],
                "not_exhaustive_category_ids": [9] if id_ == 7 else [],
            }
            for id_, name, width, height in (
                (7, "b ü 😀.png", 31, 97),
                (12, "d.jpg", 10, 20),
                (40, "set/a.jpg", 64, 48),
                (2**62 + 1, "c.jpg", 200, 100),
            )
        ],
        "annotations": [
            {
                "id": id_,
                "image_id": image,
                "category_id": class_,
                "bbox": box,
                "area": area,
                "iscrowd": crowd,
            }
            | ({"ignore": 1} if id_ == 17 else {})
            for id_, image, class_, box, area, crowd in (
                (3, 2**62 + 1, 5, [0, 0, 0.5, 30], 15, 0),
                (8, 40, 9, [10, 10, 0, 4], 0, 0),
                (17, 40, 5, [3.25, 4.125, 20, 30.5], 333.3, 0),
                (21, 40, 2, [10, 10, 5, 4], 12, 0),
                (22, 7, 2, [4, 10, 5, 4], 12, 0),
                (900100581904, 7, 9, [1.5, 2, 7, 8.25], 20.5, 1),
                (2**62, 2**62 + 1, 2, [12.1, 0.30000000000000004, 60, 20], 1000, 0),
            )
        ],
        "categories": [
            {"id": 2, "name": "Zürich", "frequency": "f"},
            {"id": 5, "name": "ant", "frequency": "c"},
            {"id": 9, "name": "cat", "frequency": "r"},
        ],
    }


def test_the_text_is_that_of_json(federated, annotations, tmp_path):
    for number, table in enumerate((federated, annotations)):
        path = tmp_path / f"{number}.json"
        write_validation(table, path)
        assert path.read_text() == json.dumps(load(path)) + "\n"


def test_bytes_do_not_depend_on_the_size_of_the_chunks(annotations, tmp_path, monkeypatch):
    write_validation(annotations, tmp_path / "whole.json")
    monkeypatch.setattr(coco_files, "ROWS", 7)
    write_validation(annotations, tmp_path / "chunks.json")
    assert (tmp_path / "whole.json").read_bytes() == (tmp_path / "chunks.json").read_bytes()


def test_a_file_without_boxes(annotations, tmp_path):
    keys = ("box_ids", "box_images", "box_classes", "boxes", "areas", "crowd", "ignored", "usable")
    nothing = {key: getattr(annotations, key)[:0] for key in keys}
    write_validation(replace(annotations, **nothing), tmp_path / "val.json")
    assert load(tmp_path / "val.json")["annotations"] == []
    assert len(load(tmp_path / "val.json")["images"]) == 90


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(annotations, tmp_path, monkeypatch):
    folder = tmp_path / "split"
    write_validation(annotations, folder / "val.json")
    before = (folder / "val.json").read_bytes()
    monkeypatch.setattr(coco_files, "_categories", lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        write_validation(replace(annotations, areas=annotations.areas + 1), folder / "val.json")
    assert (folder / "val.json").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["val.json"]


def test_progress_of_large_files_in_a_log(annotations, tmp_path, monkeypatch, capsys):
    write_validation(annotations, tmp_path / "val.json")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(coco_files, "LARGE", 1)
    monkeypatch.setattr(coco_files, "ROWS", 50)
    write_validation(annotations, tmp_path / "val.json")
    boxes = len(annotations.box_ids)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"writing {tmp_path / 'val.json'}: 50 of {boxes} boxes"
    assert lines[-1] == f"writing {tmp_path / 'val.json'}: {boxes} of {boxes} boxes"
