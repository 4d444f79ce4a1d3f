"""Odd detections that are not refused count as the official tools count them."""

import numpy as np
import pytest

from gbss.evaluation.case import load
from gbss.evaluation.oddities import oddities, print_oddities
from gbss.evaluation.per_class import measure


def test_nothing_odd(truth_file, found):
    assert oddities(load(truth_file, found)) == []
    assert oddities(load(truth_file, [])) == []


def test_boxes_outside_of_their_image_are_false_alarms(truth_file, found, capsys):
    outside = [
        {"image_id": 6, "category_id": 3, "bbox": box, "score": 0.99}
        for box in ([128.5, 3, 9, 9], [3, 97, 9, 9], [-20, 3, 9, 9], [3, -9.5, 9, 9])
    ]
    # The edge belongs to the image, and so does what lies partly outside.
    edge = [{"image_id": 6, "category_id": 3, "bbox": [128, 90, 40, 40], "score": 0.01}]
    before, case = load(truth_file, found), load(truth_file, found + outside + edge)
    print_oddities(case, truth_file)
    said = capsys.readouterr().err
    assert said == (f"note: {truth_file}: 4 detection(s) lie outside of their image; they count\n")
    fast, official = measure(case), measure(case, "official")
    assert fast.ap[0] < measure(before).ap[0]
    np.testing.assert_allclose(fast.ap, official.ap, rtol=0, atol=1e-12)


def test_repeated_rows_are_false_alarms(truth_file, found):
    case = load(truth_file, [*found, *found[:3], found[0]])
    assert oddities(case) == ["4 detection(s) repeat another one to the last digit; they count"]
    fast, official = measure(case), measure(case, "official")
    np.testing.assert_allclose(fast.ap, official.ap, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fast.ar, measure(load(truth_file, found)).ar, rtol=0, atol=1e-12)


@pytest.mark.parametrize("evaluator", ["fast", "official"])
def test_a_class_that_nobody_predicts_has_an_ap_of_0(truth_file, found, evaluator):
    others = [each for each in found if each["category_id"] != 12]
    case = load(truth_file, others)
    result = measure(case, evaluator)
    assert result.ap[3] == result.ap50[3] == result.ar[3] == 0
    assert result.ap[0] == pytest.approx(measure(load(truth_file, found)).ap[0])
