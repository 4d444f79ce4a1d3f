import json

import numpy as np
import pytest

from gbss.evaluation.bootstrap import (
    Interval,
    class_samples,
    draw,
    group_samples,
    interval,
    intervals,
)
from gbss.evaluation.case import load
from gbss.evaluation.groups import group_means
from gbss.evaluation.outcomes import outcomes
from gbss.evaluation.paired import compare
from gbss.evaluation.per_class import measure

GROUPS = {"majority": ("dog", "kite", "cat"), "minority": ("toaster", "bus")}


@pytest.fixture
def case(truth_file, found):
    return load(truth_file, found)


def drawn_set(truth, found, counts):
    """A ground truth and detections in which each image really stands so many times."""
    images, boxes, detections = [], [], []
    for image, count in zip(sorted(truth["images"], key=lambda e: e["id"]), counts, strict=True):
        for copy in range(count):
            id_ = 100 * image["id"] + copy
            images.append(image | {"id": id_, "file_name": f"{id_}.png"})
            for box in truth["annotations"]:
                if box["image_id"] == image["id"]:
                    boxes.append(box | {"id": len(boxes), "image_id": id_})
            own = [each for each in found if each["image_id"] == image["id"]]
            detections += [each | {"image_id": id_} for each in own]
    return truth | {"images": images, "annotations": boxes}, detections


def test_equals_the_official_package_on_drawn_images(truth, found, case, tmp_path):
    drawn = draw(6, resamples=12, seed=2)
    samples = class_samples(case, outcomes(case), drawn)
    path = tmp_path / "drawn.json"
    for counts, ours in zip(drawn, samples, strict=True):
        content, detections = drawn_set(truth, found, counts)
        path.write_text(json.dumps(content))
        theirs = measure(load(path, detections), "official").ap
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    assert np.isnan(samples).any(axis=0).tolist()[2]


def test_many_blocks_give_what_one_gives(case, monkeypatch):
    drawn, found = draw(6, resamples=25), outcomes(case)
    whole = class_samples(case, found, drawn)
    monkeypatch.setattr("gbss.evaluation.bootstrap.BLOCK", 40)
    np.testing.assert_array_equal(class_samples(case, found, drawn), whole)


def test_images_are_matched_in_parts_like_at_once(case, monkeypatch):
    whole = outcomes(case)
    monkeypatch.setattr("gbss.evaluation.outcomes._IMAGES", 2)
    parts = outcomes(case)
    for name in ("rows", "hits", "counted"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_the_same_seed_draws_the_same_images():
    drawn = draw(50, resamples=20, seed=4)
    assert drawn.shape == (20, 50)
    assert (drawn.sum(axis=1) == 50).all()
    np.testing.assert_array_equal(drawn, draw(50, resamples=20, seed=4))
    assert (drawn != draw(50, resamples=20, seed=5)).any()


def test_groups_are_means_over_the_classes_that_are_there(case):
    empty = [0, 0, 0, 0, 6, 0]  # the image without boxes, six times
    samples = group_samples(case, GROUPS, np.array([[1] * 6, empty]))
    assert list(samples) == ["all", "majority", "minority"]
    for group, mean in group_means(measure(case), GROUPS).items():
        np.testing.assert_allclose(samples[group], [mean.ap, np.nan], rtol=0, atol=1e-12)


def test_an_interval_lies_around_its_value():
    samples = np.append(np.linspace(0.4, 0.6, 201), np.nan)
    found = interval(0.3, samples)
    assert found == Interval(pytest.approx(0.205), pytest.approx(0.395))
    assert interval(None, samples) is None
    assert interval(0.3, np.array([np.nan])) is None


def test_intervals_of_a_record(case):
    means = group_means(measure(case), GROUPS)
    found = intervals(case, means, GROUPS, resamples=200, seed=3)
    assert (found["resamples"], found["seed"], found["level"]) == (200, 3, 0.95)
    for group, ends in found["groups"].items():
        assert 0 <= ends["low"] < means[group].ap < ends["high"] <= 1
    narrow = found["groups"]["majority"]
    wide = found["groups"]["minority"]
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]


def test_no_ground_truth_no_interval(truth, found, tmp_path):
    truth["annotations"] = [box for box in truth["annotations"] if box["category_id"] == 40]
    path = tmp_path / "dogs.json"
    path.write_text(json.dumps(truth))
    case = load(path, found)
    ends = intervals(case, group_means(measure(case), GROUPS), GROUPS, resamples=5)["groups"]
    assert ends["minority"] is None
    assert ends["majority"] is not None


def test_a_pair_differs_by_what_it_differs_in(truth_file, found, case):
    same = compare(case, case, GROUPS, resamples=50)
    assert {each.interval for each in same.values()} == {Interval(0.0, 0.0)}
    fewer = load(truth_file, [each for each in found if each["category_id"] != 40])
    differences = compare(case, fewer, GROUPS, resamples=50)
    assert differences["minority"].interval == Interval(0.0, 0.0)
    majority = differences["majority"]
    assert majority.one > majority.other
    assert majority.interval.low < majority.one - majority.other < majority.interval.high


def test_runs_are_compared_on_one_ground_truth(truth, case, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(truth | {"info": {}}))
    with pytest.raises(ValueError, match="one ground truth"):
        compare(case, load(path, []), GROUPS)


def crowded():
    """Four images with all objects found, one with its only object missed; by COCO's rules."""
    boxes = [(1 + k, 6 * j) for k in range(4) for j in range(100)]
    found = [(image, [x, 10, 5, 5], 0.9) for image, x in boxes]
    return [*boxes, (50, 10)], found, ()


def late():
    """One object found behind the false alarms of four images that lack the class; by LVIS's."""
    alarms = [(100 + k, [10 + j, 10, 20, 20], 0.9) for k in range(4) for j in range(300)]
    return [(1, 10)], [(1, [10, 10, 5, 5], 0.3), *alarms], range(100, 104)


@pytest.mark.parametrize(("made", "protocol"), [(crowded, "coco"), (late, "lvis")])
def test_skewed_draws_do_not_leave_the_value_out(tmp_path, made, protocol):
    boxes, found, lacking = made()
    truth = {
        "images": [
            {"id": id_, "file_name": f"{id_}.png", "width": 640, "height": 480}
            | {"neg_category_ids": [7] * (id_ in lacking), "not_exhaustive_category_ids": []}
            for id_ in range(1, 201)
        ],
        "annotations": [
            {"id": k, "image_id": i, "category_id": 7, "bbox": [x, 10, 5, 5], "area": 25}
            for k, (i, x) in enumerate(boxes, start=3)
        ],
        "categories": [{"id": 7, "name": "bus", "frequency": "r"}],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    entries = [
        {"image_id": i, "category_id": 7, "bbox": box, "score": score} for i, box, score in found
    ]
    case = load(path, entries, protocol=protocol)
    means = group_means(measure(case), {})
    ends = intervals(case, means, {}, resamples=200)["groups"]["all"]
    value = means["all"].ap
    assert 0 <= ends["low"] <= value <= ends["high"] <= 1
    assert ends["low"] < ends["high"]
    # The draws alone would leave it out.
    samples = group_samples(case, {}, draw(200, 200))["all"]
    low, high = value + np.quantile(samples, [0.025, 0.975]) - samples.mean()
    assert not low <= value <= high
