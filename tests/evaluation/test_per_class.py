import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gbss.errors import GbssError
from gbss.evaluation.per_class import evaluate


def reference(truth_file: Path, found: list[dict[str, Any]], classes: list[int]) -> np.ndarray:
    """AP, AP50, AP75, AR100 of plain COCOeval with ``catIds``."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(truth_file))
        run = COCOeval(truth, truth.loadRes([dict(d) for d in found]), "bbox")
        run.params.catIds = classes
        run.evaluate()
        run.accumulate()
        run.summarize()
    return np.array(run.stats)[[0, 1, 2, 8]]


@pytest.mark.parametrize("evaluator", ["fast", "official"])
@pytest.mark.parametrize("category", [3, 7, 12, 40])
def test_each_class_equals_a_run_of_its_own(truth_file, found, category, evaluator) -> None:
    result = evaluate(truth_file, found, evaluator=evaluator)
    k = result.ids.index(category)
    ours = [result.ap[k], result.ap50[k], result.ap75[k], result.ar[k]]
    np.testing.assert_allclose(ours, reference(truth_file, found, [category]), rtol=0, atol=1e-12)
    assert 0 < result.ap[k] < 1


def test_mean_over_classes_equals_coco_eval(truth_file, found) -> None:
    result = evaluate(truth_file, found)
    ours = [np.nanmean(v) for v in (result.ap, result.ap50, result.ap75, result.ar)]
    expected = reference(truth_file, found, [3, 7, 8, 12, 40])
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_classes_ascend_by_id_and_crowds_do_not_count(truth_file, found) -> None:
    result = evaluate(truth_file, found)
    assert result.ids == (3, 7, 8, 12, 40)
    assert result.names == ("kite", "bus", "cat", "toaster", "dog")
    assert result.ground_truth.tolist() == [8, 2, 0, 5, 13]
    assert result.images == 6


def test_a_class_without_ground_truth_has_no_ap_even_if_it_is_detected(truth_file, found) -> None:
    assert any(detection["category_id"] == 8 for detection in found)
    result = evaluate(truth_file, found)
    for values in (result.ap, result.ap50, result.ap75, result.ar):
        assert np.isnan(values).tolist() == [False, False, True, False, False]
        assert values.dtype == np.float64


def test_no_detections_give_zero(truth_file) -> None:
    result = evaluate(truth_file, [])
    np.testing.assert_array_equal(result.ap, [0, 0, np.nan, 0, 0])
    np.testing.assert_array_equal(result.ar, [0, 0, np.nan, 0, 0])


def one_box(tmp_path: Path, annotation_id: int) -> Path:
    """One image with one box of 10 x 10 pixels."""
    path = tmp_path / "one.json"
    box = {
        "id": annotation_id,
        "image_id": 2,
        "category_id": 6,
        "bbox": [3, 4, 10, 10],
        "area": 100,
    }
    image = {"id": 2, "file_name": "2.png", "width": 64, "height": 48}
    categories = [{"id": 6, "name": "cup"}]
    path.write_text(json.dumps({"images": [image], "annotations": [box], "categories": categories}))
    return path


def test_a_shifted_box_counts_up_to_its_overlap(tmp_path) -> None:
    # Shifted by 2 of 10 pixels: IoU = 80 / 120, a hit at .50, .55, .60, .65 of ten thresholds.
    detection = {"image_id": 2, "category_id": 6, "bbox": [5, 4, 10, 10], "score": 0.3}
    result = evaluate(one_box(tmp_path, 8), [detection])
    assert result.ap.tolist() == pytest.approx([0.4], abs=1e-12)
    assert result.ap50.tolist() == pytest.approx([1.0], abs=1e-12)
    assert result.ap75.tolist() == [0.0]
    assert result.ar.tolist() == pytest.approx([0.4], abs=1e-12)


def test_annotation_id_0_can_be_found(tmp_path) -> None:
    """pycocotools takes an id of 0 for 'not matched'."""
    detection = {"image_id": 2, "category_id": 6, "bbox": [3, 4, 10, 10], "score": 0.3}
    assert evaluate(one_box(tmp_path, 0), [detection]).ap.tolist() == pytest.approx([1.0])


def test_prints_nothing_and_leaves_the_input_alone(truth_file, found, capsys) -> None:
    before = json.dumps(found)
    evaluate(truth_file, found)
    assert json.dumps(found) == before
    assert capsys.readouterr() == ("", "")


def test_classes_must_be_those_of_the_file(truth_file, found) -> None:
    with pytest.raises(GbssError, match="bicycle"):
        evaluate(truth_file, found, ["kite", "bus", "cat", "toaster", "bicycle"])


def test_ground_truth_must_be_coco(tmp_path, found) -> None:
    path = tmp_path / "val.json"
    path.write_text('{"shapes": []}')
    with pytest.raises(GbssError, match=r"val\.json"):
        evaluate(path, found)


def test_unknown_protocol_and_evaluator(truth_file, found) -> None:
    with pytest.raises(GbssError, match="'voc'"):
        evaluate(truth_file, found, protocol="voc")
    with pytest.raises(GbssError, match="did you mean 'fast'"):
        evaluate(truth_file, found, evaluator="fats")


def test_ground_truth_without_images_or_classes(tmp_path, found) -> None:
    path = tmp_path / "val.json"
    path.write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(GbssError) as caught:
        evaluate(path, found)
    where = [fault.where for fault in caught.value.faults]
    assert where == [f"{path}: images", f"{path}: categories"]
