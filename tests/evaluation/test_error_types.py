"""Kinds of errors by hand and by a slow reference; AP50 as COCO's tool computes it."""

import json

import numpy as np
import pytest

from gbss.evaluation.confusion import confusion, look_alikes
from gbss.evaluation.error_types import KINDS, error_types
from gbss.evaluation.found import read_found
from gbss.evaluation.per_class import evaluate
from gbss.splits.annotations import read

BOX = (10.0, 10.0, 20.0, 20.0)
MOVED = (20.0, 10.0, 20.0, 20.0)  # overlaps BOX by 1/3
FAR = (70.0, 60.0, 20.0, 20.0)
CLASSES = {2: "ant", 5: "bee", 9: "cat"}


@pytest.fixture
def load(tmp_path):
    """Annotations and detections from (image, class, box) and (image, class, box, score) rows."""

    def load(objects, detections):
        content = {
            "images": [
                {"id": id_, "file_name": f"{id_}.png", "width": 100, "height": 90}
                for id_ in (1, 4, 6, 7)
            ],
            "categories": [{"id": id_, "name": name} for id_, name in CLASSES.items()],
            "annotations": [
                {
                    "id": 3 * number,
                    "image_id": image,
                    "category_id": category,
                    "bbox": list(box),
                    "area": box[2] * box[3],
                    "iscrowd": int(bool(rest)),
                }
                for number, (image, category, box, *rest) in enumerate(objects, start=1)
            ],
        }
        (tmp_path / "truth.json").write_text(json.dumps(content))
        entries = [
            {"image_id": image, "category_id": category, "bbox": list(box), "score": score}
            for image, category, box, score in detections
        ]
        (tmp_path / "found.json").write_text(json.dumps(entries))
        truth = read(tmp_path / "truth.json")
        return read_found(tmp_path / "found.json", truth), truth

    return load


def test_a_truth_without_boxes(load):
    errors = error_types(*load([], [(1, 5, BOX, 0.9), (4, 5, FAR, 0.7)]))
    assert np.isnan(errors.ap50).all()
    assert errors.count["background"].tolist() == [0, 2, 0]
    assert sum(count.sum() for count in errors.count.values()) == 2


def test_each_kind_once(load):
    objects = [(1, 2, BOX), (1, 5, FAR), (4, 2, BOX), (6, 5, BOX), (7, 9, FAR)]
    detections = [
        (1, 2, BOX, 0.9),  # right
        (1, 2, BOX, 0.8),  # duplicate
        (1, 2, FAR, 0.7),  # classification: it is a bee
        (4, 2, MOVED, 0.6),  # localisation
        (6, 9, MOVED, 0.5),  # both
        (6, 5, FAR, 0.4),  # background
    ]
    errors = error_types(*load(objects, detections))
    counts = {kind: its.tolist() for kind, its in errors.count.items()}
    assert counts == {
        "classification": [1, 0, 0],
        "localisation": [1, 0, 0],
        "both": [0, 0, 1],
        "duplicate": [1, 0, 0],
        "background": [0, 1, 0],
        "missed": [0, 1, 1],  # the bee in image 6 and the cat
    }
    # ant: right, wrong, wrong, wrong of 2 objects: 51 of 101 levels.
    np.testing.assert_allclose(errors.ap50, [51 / 101, 0, 0])
    cost = {kind: its.tolist() for kind, its in errors.cost.items()}
    # The moved ant would be right after two wrong ones: precision 1/2 at the other 50 levels.
    assert cost["localisation"] == pytest.approx([50 / 101 / 2, 0, 0])
    # The bee would be found with 0.7, before the wrong one.
    assert cost["classification"] == pytest.approx([0, 51 / 101, 0])
    assert cost["duplicate"] == cost["background"] == cost["both"] == [0, 0, 0]
    assert cost["missed"] == pytest.approx([0, 0, 1])


def test_the_best_of_several_errors_is_mended_once(load):
    errors = error_types(*load([(1, 2, BOX)], [(1, 5, BOX, 0.6), (1, 9, BOX, 0.8)]))
    assert errors.count["classification"].tolist() == [0, 1, 1]
    assert errors.count["missed"].sum() == 0
    assert errors.cost["classification"][0] == 1
    used = error_types(*load([(1, 2, BOX)], [(1, 2, BOX, 0.3), (1, 5, BOX, 0.9)]))
    assert used.cost["classification"].tolist()[0] == 0


def test_crowds_are_neither_found_nor_missed(load):
    errors = error_types(*load([(1, 2, BOX, "crowd"), (4, 5, BOX)], [(1, 2, BOX, 0.9)]))
    assert {kind: int(its.sum()) for kind, its in errors.count.items()} == dict.fromkeys(
        KINDS, 0
    ) | {"missed": 1}
    assert np.isnan(errors.ap50[0])
    assert np.isnan(errors.cost["missed"][0])


def random_rows(seed):
    random = np.random.default_rng(seed)

    def box():
        return tuple(float(v) for v in random.uniform([0, 0, 15, 10], [50, 45, 40, 40]))

    images, classes = [1, 4, 6], list(CLASSES)
    objects = [(int(random.choice(images)), int(random.choice(classes)), box()) for _ in range(14)]
    detections = []
    for image, category, its in objects * 3:
        moved = tuple(np.array(its) * random.uniform(0.7, 1.4, 4))
        other = int(random.choice(classes)) if random.random() < 0.4 else category
        detections.append((image, other, moved, float(random.integers(1, 30)) / 30))
    detections += [(int(random.choice(images)), 5, box(), 0.35) for _ in range(6)]
    return objects, detections


@pytest.mark.parametrize("seed", range(6))
def test_ap50_is_that_of_cocos_tool(load, tmp_path, seed):
    errors = error_types(*load(*random_rows(seed)))
    per_class = evaluate(tmp_path / "truth.json", tmp_path / "found.json")
    np.testing.assert_allclose(errors.ap50, per_class.ap50, rtol=0, atol=1e-12)
    for cost in errors.cost.values():
        assert np.nanmin(cost) >= -1e-12  # mending can only help


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


@pytest.mark.parametrize("seed", range(6))
def test_kinds_by_a_slow_reference(load, seed):
    objects, detections = random_rows(seed)
    errors = error_types(*load(objects, detections))
    free, aimed_at, counts = set(range(len(objects))), set(), dict.fromkeys(KINDS, 0)
    wrong = []
    for image, category, box, _ in sorted(detections, key=lambda row: -row[3]):
        mine = [n for n in free if objects[n][:2] == (image, category)]
        best = max(mine, key=lambda n: iou(box, objects[n][2]), default=None)
        if best is not None and iou(box, objects[best][2]) >= 0.5:
            free.remove(best)
        else:
            wrong.append((image, category, box))
    for image, category, box in wrong:
        near = [(iou(box, its[2]), n) for n, its in enumerate(objects) if its[0] == image]
        own = max([pair for pair in near if objects[pair[1]][1] == category], default=(0, None))
        other = max([pair for pair in near if objects[pair[1]][1] != category], default=(0, None))
        if 0.1 <= own[0] < 0.5:
            kind = "localisation"
            aimed_at.add(own[1])
        elif other[0] >= 0.5:
            kind = "classification"
            aimed_at.add(other[1])
        elif own[0] >= 0.5:
            kind = "duplicate"
        else:
            kind = "background" if max(own[0], other[0]) < 0.1 else "both"
        counts[kind] += 1
    counts["missed"] = len(free - aimed_at)
    assert {kind: int(its.sum()) for kind, its in errors.count.items()} == counts


def test_confusion_and_look_alikes(load):
    objects = [(1, 2, BOX), (1, 5, FAR), (4, 2, BOX), (6, 2, BOX), (7, 9, FAR), (7, 9, BOX, "c")]
    detections = [
        (1, 2, BOX, 0.6),
        (1, 9, BOX, 0.7),  # better, and wrong
        (4, 9, BOX, 0.7),
        (4, 5, BOX, 0.4),
        (6, 2, BOX, 0.5),  # not above 0.5
        (7, 9, FAR, 0.9),
    ]
    counts = confusion(*load(objects, detections))
    assert counts.tolist() == [[0, 0, 2, 1], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert look_alikes(counts).tolist() == [2, -1, -1]
