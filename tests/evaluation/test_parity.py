"""The fast evaluator against the official packages, on sets with everything that is odd."""

import contextlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lvis.eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lvis import LVIS, LVISEval, LVISResults
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gbss.evaluation.bootstrap import class_samples
from gbss.evaluation.case import MAX_DETECTIONS, load
from gbss.evaluation.outcomes import outcomes
from gbss.evaluation.per_class import evaluate, measure

# Few places and sizes, so that boxes lie on each other and overlaps are equal or at a threshold.
corner = st.integers(0, 5)
side = st.sampled_from([0, 1, 2, 3, 4, 5, 5, 5]) | st.just(150_000)
nudge = st.sampled_from([0, 0, 0.25, 0.5, 1])
score = st.sampled_from([0.125, 0.5, 0.5, 0.875]) | st.floats(0, 1)


@st.composite
def sets(draw: st.DrawFn, federated: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A ground truth with crowds, ignored boxes and empty classes; detections with equal scores."""
    images = draw(st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True))
    classes = draw(st.lists(st.integers(1, 20), min_size=1, max_size=3, unique=True))
    place = st.fixed_dictionaries(
        {"image_id": st.sampled_from(images), "category_id": st.sampled_from(classes)}
    )
    box = st.tuples(corner, corner, side, side).map(list)
    flag = st.sampled_from([0, 0, 0, 1])
    # Mostly boxes without area would be taken for boxes in another format.
    large = {"image_id": images[0], "category_id": 99, "bbox": [0, 0, 9, 9], "area": 60}
    fillers = [large | {"id": 1000 + k, "iscrowd": 1} for k in range(13)]
    truth = []
    boxes = draw(st.lists(st.tuples(place, box, flag, flag), max_size=12))
    # Of equal overlaps the order in the file decides, and not that of the ids.
    ids = draw(st.permutations(range(1, len(boxes) + 1)))
    for id_, (where, bbox, crowd, ignore) in zip(ids, boxes, strict=True):
        area = bbox[2] * bbox[3]
        more = {"id": id_, "bbox": bbox, "area": area, "iscrowd": crowd, "ignore": ignore}
        truth.append(where | more)
    found = []
    for where, bbox, value in draw(st.lists(st.tuples(place, box, score), max_size=12)):
        found.append(where | {"bbox": bbox, "score": value})
    if truth:
        near = st.tuples(st.sampled_from(truth), nudge, nudge, score)
        for hit, right, down, value in draw(st.lists(near, max_size=16)):
            x, y, width, height = hit["bbox"]
            moved = [x + right, y, width, height + down]
            where = {key: hit[key] for key in ("image_id", "category_id")}
            found.append(where | {"bbox": moved, "score": value})
    entries = []
    for id_ in images:
        entry = {"id": id_, "file_name": f"{id_}.png", "width": 12, "height": 12}
        if federated:
            some = st.lists(st.sampled_from(classes), unique=True)
            entry["neg_category_ids"] = draw(some)
            entry["not_exhaustive_category_ids"] = draw(some)
        entries.append(entry)
    kinds = [{"id": id_, "name": f"class {id_}", "frequency": "f"} for id_ in (*classes, 99)]
    dataset = {"images": entries, "annotations": truth + fillers, "categories": kinds}
    return dataset, draw(st.permutations(found))


@pytest.mark.parametrize("protocol", ["coco", "lvis"])
@pytest.mark.parametrize("limit", [2, None])
def test_no_difference_to_the_official_packages(protocol, limit, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("sets")

    @settings(max_examples=60, deadline=None)
    @given(sets(federated=protocol == "lvis"))
    def check(made) -> None:
        truth, found = made
        path = folder / "truth.json"
        path.write_text(json.dumps(truth))
        with pytest.MonkeyPatch.context() as patch:
            if limit is not None:
                patch.setitem(MAX_DETECTIONS, protocol, limit)
            case = load(path, found, protocol=protocol)
            fast, official = measure(case), measure(case, "official")
            once = np.ones((1, len(truth["images"])), np.int64)
            again = class_samples(case, outcomes(case), once)[0]
        for name in ("ap", "ap50", "ap75", "ar"):
            ours, theirs = getattr(fast, name), getattr(official, name)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, err_msg=name)
        np.testing.assert_array_equal(fast.ground_truth, official.ground_truth)
        np.testing.assert_allclose(again, fast.ap, rtol=0, atol=1e-9)

    check()


def precision_of_the_package(protocol, path, found, limit):
    """(T, R, classes) from pycocotools or lvis, which read the file themselves."""
    if protocol == "lvis":
        truth = LVIS(path)
        evaluation = LVISEval(truth, LVISResults(truth, found, max_dets=limit), "bbox")
        evaluation.params.max_dets = limit
        evaluation.evaluate()
        evaluation.accumulate()
        return evaluation.eval["precision"][:, :, :, 0]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(path)
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.params.maxDets = [limit]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, 0]


@pytest.mark.parametrize("protocol", ["coco", "lvis"])
@pytest.mark.parametrize("limit", [2, 300])
@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")  # of lvis
def test_no_difference_to_what_the_packages_read_themselves(
    protocol, limit, tmp_path_factory, monkeypatch
):
    folder: Path = tmp_path_factory.mktemp("sets")
    # It was written for a NumPy with ``np.float``.
    monkeypatch.setattr(lvis.eval, "np", SimpleNamespace(**vars(np) | {"float": float}))
    monkeypatch.setitem(MAX_DETECTIONS, protocol, limit)

    @settings(max_examples=60, deadline=None)
    @given(sets(federated=protocol == "lvis"))
    def check(made) -> None:
        truth, found = made
        if protocol == "lvis":  # knows no crowds
            truth["annotations"] = [each | {"iscrowd": 0} for each in truth["annotations"]]
        path = folder / "truth.json"
        path.write_text(json.dumps(truth))
        if not found:
            return
        ours = measure(load(path, found, protocol=protocol)).ap
        # They write into what they get.
        copies = [dict(each) for each in found]
        theirs = precision_of_the_package(protocol, str(path), copies, limit)
        exists = theirs[0, 0] > -1
        mean = np.where(exists, theirs.mean(axis=(0, 1)), np.nan)
        np.testing.assert_allclose(ours, mean, rtol=0, atol=1e-9)

    check()


@pytest.mark.parametrize(("protocol", "limit"), [("coco", 100), ("lvis", 300)])
def test_detections_beyond_the_limit_do_not_count(tmp_path, protocol, limit):
    """The hit is the one after the last that counts, in one of two images."""
    lists = {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    images = [{"id": id_, "file_name": f"{id_}.png", "width": 900, "height": 50} for id_ in (4, 9)]
    box = {"category_id": 3, "bbox": [5, 5, 20, 20], "area": 400}
    truth = {
        "images": [image | lists for image in images],
        "annotations": [box | {"id": 7, "image_id": 4}, box | {"id": 8, "image_id": 9}],
        "categories": [{"id": 3, "name": "cup"}],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    found = [
        {"image_id": image, "category_id": 3, "bbox": [40 + k, 5, 20, 20], "score": 0.9 - k / 1000}
        for image, count in ((4, limit), (9, limit - 1))
        for k in range(count)
    ]
    for image in (4, 9):
        found.insert(0, {"image_id": image, "category_id": 3, "bbox": box["bbox"], "score": 0.01})
    fast = evaluate(path, found, protocol=protocol)
    official = evaluate(path, found, protocol=protocol, evaluator="official")
    assert fast.ar.tolist() == official.ar.tolist() == [0.5]
    np.testing.assert_allclose(fast.ap, official.ap, rtol=0, atol=1e-12)
    assert fast.ap[0] > 0


@pytest.mark.parametrize("ids", [(5, 8), (8, 5)])
@pytest.mark.parametrize("evaluator", ["fast", "official"])
def test_of_two_boxes_overlapped_alike_the_one_further_down_the_file_is_found(
    tmp_path, ids, evaluator
):
    boxes = ([0, 0, 10, 10], [4, 0, 10, 10])
    truth = {
        "images": [{"id": 4, "file_name": "4.png", "width": 64, "height": 48}],
        "annotations": [
            {"id": id_, "image_id": 4, "category_id": 3, "bbox": box, "area": 100, "iscrowd": 0}
            for id_, box in zip(ids, boxes, strict=True)
        ],
        "categories": [{"id": 3, "name": "cup"}],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    found = [
        {"image_id": 4, "category_id": 3, "bbox": box, "score": score}
        for box, score in (([2, 0, 10, 10], 0.9), ([0, 0, 10, 10], 0.5))
    ]
    copies = [dict(each) for each in found]
    theirs = precision_of_the_package("coco", str(path), copies, 100).mean()
    assert theirs == pytest.approx(0.55148515)
    ours = evaluate(path, found, evaluator=evaluator).ap
    np.testing.assert_allclose(ours, [theirs], rtol=0, atol=1e-12)
