from dataclasses import replace

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.splits import usable
from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.files import render_lists, write_split

USELESS = {
    "to be ignored": {"ignore": 1},
    "narrow": {"bbox": [1, 2, 0.99, 20]},
    "low": {"bbox": [1, 2, 20, 0.5]},
    "flat": {"bbox": [1, 2, 20, 0]},
    "left of the image": {"bbox": [-20, 2, 20, 9]},
    "below the image": {"bbox": [1, 50, 20, 9]},
    "without area": {"area": 0},
}


def found(boxes, areas, ignored, rows, monkeypatch, path):
    monkeypatch.setattr(usable, "ROWS", rows)
    return usable.usable_boxes(
        path,
        boxes,
        areas,
        ignored,
        images=np.arange(len(boxes)) % 3,
        widths=np.array([100, 50, 70]),
        heights=np.array([40, 60, 90]),
    )


@pytest.mark.parametrize("rows", [3, 1 << 20])
def test_the_rule_of_mmdet(rows, monkeypatch, tmp_path):
    rng = np.random.default_rng(5)
    boxes = rng.uniform([-12, -12, 0, 0], [60, 50, 20, 20], (400, 4)).round(1)
    areas, ignored = rng.integers(0, 20, 400).astype(float), rng.random(400) < 0.1
    expected = []
    for number, (x, y, w, h) in enumerate(boxes):
        width, height = ((100, 40), (50, 60), (70, 90))[number % 3]
        inner_w, inner_h = min(x + w, width) - max(x, 0), min(y + h, height) - max(y, 0)
        fine = max(0, inner_w) * max(0, inner_h) != 0 and areas[number] > 0 and w >= 1 and h >= 1
        expected.append(fine and not ignored[number])
    assert found(boxes, areas, ignored, rows, monkeypatch, tmp_path).tolist() == expected
    assert 150 < sum(expected) < 350


def test_half_of_the_boxes_may_be_small_and_no_more(monkeypatch, tmp_path):
    boxes = np.array([[1, 2, 0.5, 9], [3, 2, 9, 9], [5, 1, 0.5, 9], [7, 7, 2, 9.5]])
    areas, nothing = np.ones(4), np.zeros(4, dtype=np.bool_)
    assert found(boxes, areas, nothing, 3, monkeypatch, tmp_path).tolist() == [0, 1, 0, 1]
    boxes[3, 2] = 0.75
    with pytest.raises(GbssError, match="3 of 4 boxes are smaller than a pixel"):
        found(boxes, areas, nothing, 3, monkeypatch, tmp_path)
    ignored = np.array([True, False, True, False])
    assert found(boxes, areas, ignored, 3, monkeypatch, tmp_path).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("change", USELESS.values(), ids=USELESS)
def test_the_split_does_not_depend_on_useless_boxes(coco, write, recipe, tmp_path, capsys, change):
    without = read(write(coco))
    expected = build_split(without, recipe)
    lists = render_lists(expected, without)
    kept = {box["id"] for box in coco["annotations"]}
    for number, image in enumerate(coco["images"]):
        # Most of a minority class, and in images without any other box.
        entry = {"id": 5000 + number, "image_id": image["id"], "category_id": 3}
        coco["annotations"].append(entry | {"bbox": [1, 2, 3, 4], "area": 12} | change)
    table = read(write(coco))
    drawn = build_split(table, recipe)
    for name in ("base", "few_shot", "unlabeled"):
        assert getattr(drawn, name).tolist() == getattr(expected, name).tolist()
    again = render_lists(drawn, table)
    assert again | {"SHA256SUMS": ""} == lists | {"SHA256SUMS": ""}
    write_split(drawn, table, lists=tmp_path / "lists", coco=tmp_path / "coco")
    assert set(read(tmp_path / "coco" / "labeled.json").box_ids.tolist()) <= kept
    hidden = read(tmp_path / "coco" / "unlabeled_hidden.json")
    assert len(set(hidden.box_ids.tolist()) - kept) == len(drawn.unlabeled)
    left = f"left out {len(drawn.few_shot)} boxes to be ignored, below a pixel, outside"
    assert left in capsys.readouterr().err


def test_counted_boxes_are_no_crowds(annotations):
    assert annotations.usable.all()
    assert annotations.crowd.any()
    assert np.array_equal(annotations.counted, ~annotations.crowd)
    other = replace(annotations, usable=annotations.crowd)
    assert not other.counted.any()
