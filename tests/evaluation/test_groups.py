import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gbss.errors import GbssError
from gbss.evaluation.groups import GroupResult, group_means
from gbss.evaluation.per_class import PerClass, evaluate

GROUPS = {"majority": ("dog", "kite", "cat"), "minority": ("toaster", "bus")}


def per_class(ap: list[float], ground_truth: list[int]) -> PerClass:
    names = ("kite", "bus", "cat", "toaster", "dog")
    values = np.array(ap)
    return PerClass(
        images=6,
        ids=(3, 7, 8, 12, 40),
        names=names,
        ground_truth=np.array(ground_truth),
        ap=values,
        ap50=values + 0.1,
        ap75=values - 0.05,
        ar=values,
    )


def test_equals_one_run_of_coco_eval_per_group(truth_file, found) -> None:
    """The released code's way: COCOeval three times, with catIds = all, majority, minority."""
    ids = {"all": [3, 7, 8, 12, 40], "majority": [3, 8, 40], "minority": [7, 12]}
    ours = group_means(evaluate(truth_file, found), GROUPS)
    assert list(ours) == ["all", "majority", "minority"]
    for group, categories in ids.items():
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(truth_file))
            run = COCOeval(truth, truth.loadRes([dict(d) for d in found]), "bbox")
            run.params.catIds = categories
            run.evaluate()
            run.accumulate()
            run.summarize()
        result = ours[group]
        np.testing.assert_allclose(
            [result.ap, result.ap50, result.ap75], run.stats[:3], rtol=0, atol=1e-12
        )


def test_means_leave_out_classes_without_ground_truth() -> None:
    result = group_means(per_class([0.3, 0.1, np.nan, 0.2, 0.6], [4, 2, 0, 5, 9]), GROUPS)
    assert result["majority"] == GroupResult(
        ap=pytest.approx(0.45),
        ap50=pytest.approx(0.55),
        ap75=pytest.approx(0.4),
        ar=pytest.approx(0.45),
        classes=3,
        evaluated=2,
    )
    assert result["minority"].ap == pytest.approx(0.15)
    assert result["all"].ap == pytest.approx(0.3)
    assert (result["all"].classes, result["all"].evaluated) == (5, 4)


def test_a_group_without_ground_truth_has_no_ap() -> None:
    result = group_means(per_class([0.3, np.nan, np.nan, np.nan, 0.6], [4, 0, 0, 0, 9]), GROUPS)
    assert result["minority"] == GroupResult(None, None, None, None, classes=2, evaluated=0)


def test_without_groups_only_all_is_computed() -> None:
    result = group_means(per_class([0.3, 0.1, np.nan, 0.2, 0.6], [4, 2, 0, 5, 9]), {})
    assert list(result) == ["all"]
    assert result["all"].ap == pytest.approx(0.3)


def test_groups_must_hold_every_class_once() -> None:
    groups = {"majority": ("dog", "kite", "bus"), "minority": ("bus", "toster"), "all": ("cat",)}
    with pytest.raises(GbssError) as caught:
        group_means(per_class([0.3, 0.1, 0.5, 0.2, 0.6], [4, 2, 1, 5, 9]), groups)
    assert [(fault.where, fault.found) for fault in caught.value.faults] == [
        ("group 'minority'", "class 'toster', which is not evaluated"),
        ("group 'all'", "a task's group with the name of the group of all classes"),
        ("class 'bus'", "in groups majority, minority"),
        ("class 'toaster'", "in no group"),
    ]
