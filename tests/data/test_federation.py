import json
from dataclasses import replace

import numpy as np
import pytest

from gbss.data import Federation, Subset, draw
from gbss.data.federation import federate

SHARES = Federation(annotated=0.8, partly=0.3, lacking=0.4)


@pytest.fixture
def drawing(make_drawing):
    return replace(make_drawing(), federation=SHARES)


def scenes(drawing, count):
    """Image entries and boxes of invented scenes, as they are and as federated."""
    rng = np.random.default_rng(8)
    ids = [kind.category_id for kind in drawing.classes]
    for number in range(count):
        boxes = [
            {"id": 5 * number + place, "category_id": int(rng.choice(ids))}
            for place in range(int(rng.integers(0, 5)))
        ]
        yield boxes, *federate(drawing, {"id": number}, boxes, [11, 0, number])


def test_the_lists_say_the_truth(drawing):
    for boxes, entry, kept in scenes(drawing, 200):
        held = {box["category_id"] for box in boxes}
        known = {box["category_id"] for box in kept}
        assert [box for box in boxes if box in kept] == kept
        assert not held & set(entry["neg_category_ids"])
        assert set(entry["not_exhaustive_category_ids"]) <= known
        for category in known - set(entry["not_exhaustive_category_ids"]):
            own = [box for box in boxes if box["category_id"] == category]
            assert all(box in kept for box in own)


def test_shares(drawing):
    held = known = partly = lacked = lacking = 0
    for boxes, entry, kept in scenes(drawing, 2000):
        present = {box["category_id"] for box in boxes}
        held += len(present)
        known += len({box["category_id"] for box in kept})
        partly += len(entry["not_exhaustive_category_ids"])
        lacked += 3 - len(present)
        lacking += len(entry["neg_category_ids"])
    assert known / held == pytest.approx(0.8, abs=0.03)
    assert partly / known == pytest.approx(0.3, abs=0.03)
    assert lacking / lacked == pytest.approx(0.4, abs=0.03)


def test_about_half_of_the_boxes_stay_where_annotation_is_partial(drawing):
    everything = replace(drawing, federation=Federation(annotated=1.0, partly=1.0, lacking=0.0))
    boxes = [{"id": number, "category_id": 3 + number // 5} for number in range(6)]
    entry, kept = federate(everything, {"id": 2}, boxes, [11, 0, 2])
    assert [box["id"] for box in kept] == [0, 1, 2, 5]
    assert entry["not_exhaustive_category_ids"] == [3, 4]
    assert entry["neg_category_ids"] == []


def test_pixels_do_not_depend_on_the_annotation(make_drawing, tmp_path):
    few = {"train": Subset(6, make_drawing().train.frequencies), "val": None}
    draw(replace(make_drawing(), **few), tmp_path / "full", progress=False)
    draw(replace(make_drawing(), **few, federation=SHARES), tmp_path / "part", progress=False)
    full, part = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "train").iterdir()}
        for name in ("full", "part")
    )
    assert full == part
    boxes = [
        json.loads((tmp_path / name / "train.json").read_text())["annotations"]
        for name in ("full", "part")
    ]
    assert all(box in boxes[0] for box in boxes[1])
    assert len(boxes[1]) < len(boxes[0])
