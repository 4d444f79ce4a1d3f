"""Precision and recall of pseudo labels: by hand, by a slow reference and by COCO's own tool."""

import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gbss.errors import GbssError
from gbss.evaluation.found import Found, read_found
from gbss.evaluation.matching import match, overlaps
from gbss.evaluation.per_class import evaluate
from gbss.evaluation.pseudo_labels import (
    PseudoLabels,
    quality,
    read_pseudo_labels,
    write_pseudo_labels,
)
from gbss.splits.annotations import read

CLASSES = {3: "kite", 7: "bus", 8: "cat", 40: "dog"}
IMAGES = (4, 5, 9, 12, 20, 21)


def written(path, boxes, images=IMAGES, **lists):
    """An annotation file with (image, class, box) entries; a fourth one makes it a crowd."""
    content = {
        "images": [
            {"id": id_, "file_name": f"{id_}.png", "width": 100, "height": 90}
            | {key: value.get(id_, []) for key, value in lists.items()}
            for id_ in images
        ],
        "categories": [{"id": id_, "name": name} for id_, name in CLASSES.items()],
        "annotations": [
            {
                "id": 7 + 2 * number,
                "image_id": image,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": int(bool(rest)),
            }
            for number, (image, category, box, *rest) in enumerate(boxes)
        ],
    }
    path.write_text(json.dumps(content))
    return read(path)


def found(truth, rows):
    """Detections from (image, class, box, score) rows."""
    images, classes, boxes, scores = zip(*rows, strict=True)
    return Found.of(truth, np.array(images), np.array(classes), np.array(boxes), np.array(scores))


@pytest.fixture
def by_hand(tmp_path):
    """Five images that were looked at, a sixth one that was not, and what is to be counted."""
    truth = written(
        tmp_path / "hidden.json",
        [
            (4, 3, (10, 10, 20, 20)),  # found twice
            (4, 3, (50, 10, 20, 20)),  # missed: the overlap is 1/3
            (5, 7, (0, 0, 40, 30)),  # found
            (5, 3, (60, 50, 10, 10)),  # found as another class
            (9, 40, (20, 20, 60, 60), "crowd"),
            (12, 40, (5, 5, 30, 20)),  # found
            (12, 40, (6, 5, 30, 20)),  # found by the second
            (21, 40, (5, 5, 30, 20)),  # in the image that was not looked at
        ],
    )
    rows = [
        (4, 3, (11, 10, 20, 20), 0.95),
        (4, 3, (10, 10, 20, 20), 0.93),  # too late
        (4, 3, (60, 10, 20, 20), 0.91),
        (5, 7, (2, 0, 40, 30), 0.97),
        (5, 40, (60, 50, 10, 10), 0.99),
        (9, 40, (30, 30, 10, 10), 0.92),  # in the crowd: neither
        (9, 7, (30, 30, 10, 10), 0.92),  # nothing there
        (12, 40, (5, 5, 30, 20), 0.9),
        (12, 40, (5, 6, 30, 20), 0.8),
        (20, 3, (5, 6, 30, 20), 0.8),
    ]
    return truth, rows


def test_hand_counted_images(by_hand):
    truth, rows = by_hand
    looked_at = np.array([True, True, True, True, True, False])
    counted = quality(found(truth, rows), truth, looked_at)
    # kite, bus, cat, dog
    assert counted.right.tolist() == [1, 1, 0, 2]
    assert counted.wrong.tolist() == [3, 1, 0, 1]
    assert counted.objects.tolist() == [3, 1, 0, 2]
    np.testing.assert_allclose(counted.precision, [1 / 4, 1 / 2, np.nan, 2 / 3])
    np.testing.assert_allclose(counted.recall, [1 / 3, 1, np.nan, 1])


def test_federated_rules_by_hand(tmp_path):
    truth = written(
        tmp_path / "hidden.json",
        [(4, 3, (10, 10, 20, 20)), (5, 7, (0, 0, 40, 30))],
        neg_category_ids={4: [40], 9: [3]},
        not_exhaustive_category_ids={5: [7]},
    )
    far = (70, 60, 20, 20)
    rows = [
        (4, 3, (10, 10, 20, 20), 0.9),  # right
        (4, 3, far, 0.9),  # wrong: every kite of the image has a box
        (4, 40, far, 0.9),  # wrong: it is known to have no dog
        (4, 8, far, 0.9),  # nobody looked for cats
        (5, 7, (0, 0, 40, 30), 0.9),  # right
        (5, 7, far, 0.9),  # there are more buses than boxes
        (9, 3, far, 0.9),  # wrong
        (9, 7, far, 0.9),  # nobody looked
    ]
    counted = quality(found(truth, rows), truth, np.ones(6, bool))
    assert counted.right.tolist() == [1, 1, 0, 0]
    assert counted.wrong.tolist() == [2, 0, 0, 1]


def random_set(path, seed, *, federated=False):
    """Boxes that crowd each other, of few classes, and detections near them; ties in score."""
    random = np.random.default_rng(seed)

    def box():
        x, y, width, height = random.uniform([0, 0, 12, 9], [55, 50, 40, 39])
        return tuple(float(side) for side in (x, y, width, height))

    objects = []
    for _ in range(int(random.integers(1, 30))):
        entry = (int(random.choice(IMAGES[:-1])), int(random.choice([3, 7, 40])), box())
        objects.append((*entry, "crowd") if random.random() < 0.15 else entry)
    lists = {}
    if federated:
        objects = [entry[:3] for entry in objects]
        lists = {"neg_category_ids": {}, "not_exhaustive_category_ids": {}}
        for image in IMAGES:
            held = sorted({entry[1] for entry in objects if entry[0] == image})
            lacked = [id_ for id_ in CLASSES if id_ not in held]
            lists["neg_category_ids"][image] = [i for i in lacked if random.random() < 0.5]
            lists["not_exhaustive_category_ids"][image] = [i for i in held if random.random() < 0.4]
    truth = written(path, objects, **lists)
    rows = []
    for entry in objects * 3:
        moved = np.array(entry[2]) * random.uniform(0.8, 1.2, 4)
        category = entry[1] if random.random() < 0.8 else int(random.choice(list(CLASSES)))
        rows.append((entry[0], category, tuple(moved), float(random.integers(1, 9)) / 10))
    return truth, found(truth, rows), lists


def slowly(truth, detections, lists):
    """Right, wrong and objects by class, one pair after the other."""
    names = list(CLASSES)
    counts = {id_: [0, 0, 0] for id_ in names}
    for image, image_id in enumerate(IMAGES):
        for class_, id_ in enumerate(names):
            boxes = [
                number
                for number in range(len(truth.boxes))
                if (truth.box_images[number], truth.box_classes[number]) == (image, class_)
            ]
            counts[id_][2] += sum(not truth.crowd[number] for number in boxes)
            free = set(boxes)
            for one in range(len(detections)):
                if (detections.images[one], detections.classes[one]) != (image, class_):
                    continue
                best, choice = -1.0, None
                for number in boxes:
                    iou = one_iou(detections.boxes[one], truth.boxes[number], truth.crowd[number])
                    if number in free and not truth.crowd[number] and iou >= max(0.5, best):
                        best, choice = iou, number
                if choice is not None:
                    free.remove(choice)
                    counts[id_][0] += 1
                    continue
                in_crowd = any(
                    truth.crowd[n] and one_iou(detections.boxes[one], truth.boxes[n], True) >= 0.5
                    for n in boxes
                )
                if lists:
                    known = boxes or id_ in lists["neg_category_ids"][image_id]
                    partly = id_ in lists["not_exhaustive_category_ids"][image_id]
                    in_crowd = in_crowd or not known or partly
                counts[id_][1] += not in_crowd
    return np.array(list(counts.values())).T


def one_iou(a, b, crowd):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (a[2] * a[3] if crowd else a[2] * a[3] + b[2] * b[3] - common)


@pytest.mark.parametrize("federated", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_random_sets_against_a_slow_reference(tmp_path, seed, federated):
    truth, detections, lists = random_set(tmp_path / "t.json", seed, federated=federated)
    counted = quality(detections, truth, np.ones(len(IMAGES), bool))
    got = np.stack([counted.right, counted.wrong, counted.objects])
    np.testing.assert_array_equal(got, slowly(truth, detections, lists))


@pytest.mark.parametrize("seed", range(8))
def test_matches_are_those_of_cocos_tool(tmp_path, seed):
    path = tmp_path / "t.json"
    truth, detections, _ = random_set(path, seed)
    rows = [
        {
            "image_id": int(truth.image_ids[detections.images[number]]),
            "category_id": int(truth.category_ids[detections.classes[number]]),
            "bbox": detections.boxes[number].tolist(),
            "score": float(detections.scores[number]),
        }
        for number in range(len(detections))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        tool = COCO(str(path))
        evaluation = COCOeval(tool, tool.loadRes(rows), "bbox")
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.maxDets = [1000]
        evaluation.evaluate()
    right, wrong = np.zeros(4, int), np.zeros(4, int)
    for each in filter(None, evaluation.evalImgs):
        place = list(CLASSES).index(each["category_id"])
        matched, passed = each["dtMatches"][0] > 0, each["dtIgnore"][0] > 0
        right[place] += np.sum(matched & ~passed)
        wrong[place] += np.sum(~matched & ~passed)
    counted = quality(detections, truth, np.ones(len(IMAGES), bool))
    assert counted.right.tolist() == right.tolist()
    assert counted.wrong.tolist() == wrong.tolist()


def test_pairs_are_the_same_in_small_blocks(tmp_path, monkeypatch):
    truth, detections, _ = random_set(tmp_path / "t.json", 3)
    whole = overlaps(detections, truth, 0.1, same_class=False)
    monkeypatch.setattr("gbss.evaluation.matching.PAIRS", 5)
    parts = overlaps(detections, truth, 0.1, same_class=False)
    assert len(whole.iou) > 20
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_found_and_nothing_there(by_hand, tmp_path):
    truth, rows = by_hand
    nothing = found(truth, rows).where(np.zeros(len(rows), bool))
    assert quality(nothing, truth, np.ones(6, bool)).recall[0] == 0
    assert np.isnan(quality(nothing, truth, np.ones(6, bool)).precision).all()
    empty = written(tmp_path / "empty.json", [])
    counted = quality(found(empty, rows), empty, np.ones(6, bool))
    assert counted.wrong.tolist() == [4, 2, 0, 4]
    assert match(nothing, truth).hit.sum() == 0


@pytest.fixture
def labels(by_hand):
    _, rows = by_hand
    images, classes, boxes, scores = (np.array(column) for column in zip(*rows, strict=True))
    thresholds = np.array([0.92, 0.5, 0.5, 0.85], np.float32)
    return PseudoLabels(np.array([4, 5, 9, 12, 20]), 6, thresholds, images, classes, boxes, scores)


def test_pseudo_labels_are_above_the_threshold_of_their_class(by_hand, labels, tmp_path):
    truth, _ = by_hand
    write_pseudo_labels(tmp_path / "run/labels.npz", labels)
    stored = read_pseudo_labels(tmp_path / "run/labels.npz")
    assert stored.of == 6
    assert stored.looked_at(truth).tolist() == [True] * 5 + [False]
    counted = quality(stored.found(truth), truth, stored.looked_at(truth))
    assert counted.right.tolist() == [1, 1, 0, 1]
    assert counted.wrong.tolist() == [1, 1, 0, 1]
    # A score at the threshold is not enough.
    at = replace(labels, thresholds=labels.scores[[2, 3, 3, 7]])
    write_pseudo_labels(tmp_path / "at.npz", at)
    kept = read_pseudo_labels(tmp_path / "at.npz").found(truth).scores
    np.testing.assert_allclose(kept, [0.95, 0.93, 0.99, 0.92], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"sample": np.array([4, 5, 9, 12, 20, 77])}, "image 77"),
        ({"sample": np.array([4, 5, 9, 12])}, "image 20"),
        ({"category_ids": np.full(10, 41)}, "category 41"),
    ],
)
def test_labels_of_other_data_are_refused(by_hand, labels, change, where):
    with pytest.raises(GbssError, match=f"pseudo labels: {where}"):
        replace(labels, **change).found(by_hand[0])


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04half", b"[]"])
def test_broken_files(tmp_path, content):
    path = tmp_path / "labels.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GbssError, match="gbss pseudo-labels"):
        read_pseudo_labels(path)


def test_all_that_is_wrong_with_the_columns_at_once(labels, tmp_path):
    path = tmp_path / "labels.npz"
    write_pseudo_labels(
        path, replace(labels, scores=labels.scores[:-1], thresholds=np.zeros((2, 2)))
    )
    with pytest.raises(GbssError) as caught:
        read_pseudo_labels(path)
    assert [fault.where for fault in caught.value.faults] == [str(path), f"{path}: thresholds"]
    assert "columns of 9, 10 rows" in str(caught.value)
    bad = np.where(np.arange(10) == 4, np.nan, labels.scores)
    write_pseudo_labels(path, replace(labels, scores=bad, thresholds=np.full(4, np.nan)))
    with pytest.raises(GbssError) as caught:
        read_pseudo_labels(path)
    assert [fault.where for fault in caught.value.faults] == [str(path), f"{path}: thresholds"]
    assert "1 detection(s) with a number that is not finite" in str(caught.value)


def test_objects_are_those_of_the_evaluation_of_a_federated_file(tmp_path):
    """A crowd, a box to be ignored and one without area are no objects."""
    box, nothing = (10, 10, 20, 20), (50, 10, 0, 20)
    entries = [(4, 3, box), (5, 3, box, "crowd"), (9, 3, box), (12, 7, nothing), (20, 7, box)]
    lists = {"neg_category_ids": {21: [3]}, "not_exhaustive_category_ids": {}}
    path = tmp_path / "hidden.json"
    written(path, entries, **lists)
    content = json.loads(path.read_text())
    content["annotations"][2]["ignore"] = 1
    path.write_text(json.dumps(content))
    truth = read(path)
    rows = [(image, class_, (10, 11, 20, 20), 0.9) for image, class_, *_ in entries]
    counted = quality(found(truth, rows), truth, np.ones(6, bool))
    expected = evaluate(path, [], protocol="lvis").ground_truth
    assert counted.objects.tolist() == expected.tolist() == [1, 1, 0, 0]
    assert counted.right.tolist() == [1, 1, 0, 0]
    assert counted.wrong.tolist() == [0, 0, 0, 0]


def test_found_is_by_images_and_scores(by_hand, tmp_path):
    truth, rows = by_hand
    entries = [
        {"image_id": image, "category_id": class_, "bbox": list(box), "score": score}
        for image, class_, box, score in reversed(rows)
    ]
    path = tmp_path / "detections.json"
    path.write_text(json.dumps(entries))
    one = read_found(path, truth)
    assert one.images.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert one.scores.tolist() == [0.95, 0.93, 0.91, 0.99, 0.97, 0.92, 0.92, 0.9, 0.8, 0.8]
