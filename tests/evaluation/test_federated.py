"""AP by the rules of LVIS, against the lvis package itself."""

import json
import types
from pathlib import Path
from typing import Any

import lvis.eval
import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.evaluation.groups import group_means
from gbss.evaluation.per_class import evaluate

FREQUENCY = {3: "r", 7: "c", 8: "r", 12: "f", 40: "c"}
"""Category id → group; no box of class 8 exists."""
NAMES = {"r": "rare", "c": "common", "f": "frequent"}


@pytest.fixture
def federated(truth: dict[str, Any]) -> dict[str, Any]:
    """The made-up data set with LVIS's three kinds of images for a class, and with no crowds."""
    random = np.random.default_rng(3)
    truth["annotations"] = [box for box in truth["annotations"] if not box["iscrowd"]]
    for image in truth["images"]:
        held = sorted(
            {b["category_id"] for b in truth["annotations"] if b["image_id"] == image["id"]}
        )
        lacked = [id_ for id_ in FREQUENCY if id_ not in held]
        image["neg_category_ids"] = [id_ for id_ in lacked if random.random() < 0.5]
        image["not_exhaustive_category_ids"] = [id_ for id_ in held if random.random() < 0.4]
    for category in truth["categories"]:
        category["frequency"] = FREQUENCY[category["id"]]
    return truth


@pytest.fixture
def federated_file(federated: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "lvis.json"
    path.write_text(json.dumps(federated))
    return path


def reference(path: Path, found: list[dict[str, Any]], monkeypatch) -> dict[str, Any]:
    """The results of the package as it is, with the NumPy it was written for."""
    shim = types.SimpleNamespace(**{**vars(np), "float": float})
    monkeypatch.setattr(lvis.eval, "np", shim)
    detections = path.with_name("detections.json")
    detections.write_text(json.dumps(found))
    run = lvis.eval.LVISEval(str(path), str(detections), "bbox")
    run.run()
    return dict(run.get_results())


def groups(federated: dict[str, Any]) -> dict[str, list[str]]:
    names = {each["id"]: each["name"] for each in federated["categories"]}
    return {
        NAMES[letter]: [names[id_] for id_, each in FREQUENCY.items() if each == letter]
        for letter in "rcf"
    }


def test_the_fixture_has_every_kind_of_image(federated, found):
    pairs = {(each["image_id"], each["category_id"]) for each in federated["annotations"]}
    lacking = {(e["id"], id_) for e in federated["images"] for id_ in e["neg_category_ids"]}
    partly = {
        (e["id"], id_) for e in federated["images"] for id_ in e["not_exhaustive_category_ids"]
    }
    detected = {(each["image_id"], each["category_id"]) for each in found}
    assert detected & lacking
    assert detected & partly
    assert detected - pairs - lacking
    assert partly <= pairs


@pytest.mark.parametrize("evaluator", ["fast", "official"])
def test_equals_the_lvis_package(federated, federated_file, found, evaluator, monkeypatch):
    result = evaluate(federated_file, found, protocol="lvis", evaluator=evaluator)
    means = group_means(result, groups(federated))
    expected = reference(federated_file, found, monkeypatch)
    ours = {
        "AP": means["all"].ap,
        "AP50": means["all"].ap50,
        "AP75": means["all"].ap75,
        "APr": means["rare"].ap,
        "APc": means["common"].ap,
        "APf": means["frequent"].ap,
        "AR@300": np.nanmean(result.ar),
    }
    for name, value in ours.items():
        assert value == pytest.approx(expected[name], abs=1e-12), name
        assert 0 < value < 1
    assert means["rare"].classes == 2
    assert means["rare"].evaluated == 1


@pytest.mark.parametrize("part", ["neg_category_ids", "not_exhaustive_category_ids"])
def test_the_lists_matter(federated, federated_file, found, part):
    image, category = next(
        (each["id"], id_)
        for each in federated["images"]
        for id_ in each["neg_category_ids"]
        if id_ != 8
    )
    found = [*found, detection(category, 3, 0.99, image=image)]
    before = evaluate(federated_file, found, protocol="lvis").ap
    for image in federated["images"]:
        image[part] = []
    federated_file.write_text(json.dumps(federated))
    after = evaluate(federated_file, found, protocol="lvis").ap
    gone = np.nan_to_num(after - before)
    # Fewer known negatives forgive false alarms, fewer inexhaustive classes punish them.
    assert (gone >= 0).all() if part == "neg_category_ids" else (gone <= 0).all()
    assert np.abs(gone).max() > 0


def one_image(tmp_path: Path, negatives: list[int], partly: list[int]) -> Path:
    """An image with one box of class 2 and the given lists; class 5 has a box elsewhere."""
    path = tmp_path / "one.json"
    box = {"category_id": 2, "bbox": [3, 4, 10, 10], "area": 100}
    other = {"neg_category_ids": [], "not_exhaustive_category_ids": [], "width": 64, "height": 48}
    content = {
        "images": [
            other
            | {"id": 1, "file_name": "1.png", "neg_category_ids": negatives}
            | {"not_exhaustive_category_ids": partly},
            other | {"id": 6, "file_name": "6.png"},
        ],
        "annotations": [
            box | {"id": 0, "image_id": 1},
            box | {"id": 4, "image_id": 6, "category_id": 5},
        ],
        "categories": [{"id": 2, "name": "cup"}, {"id": 5, "name": "jug"}, {"id": 9, "name": "x"}],
    }
    path.write_text(json.dumps(content))
    return path


def detection(category: int, x: int, score: float, image: int = 1) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": [x, 4, 10, 10], "score": score}


@pytest.mark.parametrize(
    ("negatives", "partly", "cup", "jug"),
    [
        ([], [], 0.5, 1.0),  # nobody knows of a jug: the false one does not count
        ([5], [], 0.5, 0.5),  # there is none: it does
        ([], [2], 1.0, 1.0),  # another cup may be there
        ([5, 9], [2], 1.0, 0.5),
    ],
)
def test_by_hand(tmp_path, negatives, partly, cup, jug):
    """A better score for the false one halves the precision at every recall."""
    found = [
        detection(2, 3, 0.4),
        detection(2, 40, 0.7),
        detection(5, 30, 0.9),
        detection(5, 3, 0.3, image=6),
        detection(9, 3, 0.9),
    ]
    result = evaluate(one_image(tmp_path, negatives, partly), found, protocol="lvis")
    assert result.ap.tolist() == pytest.approx([cup, jug, np.nan], abs=1e-12, nan_ok=True)
    assert result.ground_truth.tolist() == [1, 1, 0]
    assert result.images == 2


def test_only_the_300_best_of_an_image_count(tmp_path):
    path = one_image(tmp_path, [9], [])
    many = [detection(9, 3, 0.5 + number / 1000) for number in range(299)]
    hit, late = detection(2, 3, 0.4), detection(5, 3, 0.2, image=6)
    kept = evaluate(path, [late, hit, *many], protocol="lvis")
    assert kept.ap.tolist() == pytest.approx([1.0, 1.0, np.nan], abs=1e-12, nan_ok=True)
    lost = evaluate(path, [late, hit, *many, detection(9, 9, 0.9)], protocol="lvis")
    assert lost.ap.tolist() == pytest.approx([0.0, 1.0, np.nan], abs=1e-12, nan_ok=True)


def test_no_detections_give_zero_and_nothing_is_printed(federated_file, capsys, caplog):
    result = evaluate(federated_file, [], protocol="lvis")
    np.testing.assert_array_equal(result.ap, [0, 0, np.nan, 0, 0])
    np.testing.assert_array_equal(result.ar, [0, 0, np.nan, 0, 0])
    assert capsys.readouterr() == ("", "")
    assert not caplog.records


def test_a_crowd_is_neither_found_nor_missed(federated, federated_file, found):
    box = next(each for each in federated["annotations"] if each["category_id"] == 40)
    crowd = box | {"id": 9999, "iscrowd": 1, "bbox": [1, 1, 5, 5]}
    before = evaluate(federated_file, found, protocol="lvis")
    federated["annotations"].append(crowd)
    federated_file.write_text(json.dumps(federated))
    after = evaluate(federated_file, found, protocol="lvis")
    np.testing.assert_array_equal(before.ap, after.ap)
    np.testing.assert_array_equal(before.ground_truth, after.ground_truth)


def test_a_file_that_is_not_federated_is_refused(truth_file, found):
    with pytest.raises(GbssError, match="no 'neg_category_ids'"):
        evaluate(truth_file, found, protocol="lvis")


def test_lists_are_checked(federated, federated_file, found):
    federated["images"][0]["neg_category_ids"] = [3, 99]
    del federated["images"][2]["neg_category_ids"]
    federated_file.write_text(json.dumps(federated))
    with pytest.raises(GbssError) as caught:
        evaluate(federated_file, found, protocol="lvis")
    report = str(caught.value)
    assert len(caught.value.faults) == 2
    assert "(id 5)" in report
    assert "(id 11)" in report
