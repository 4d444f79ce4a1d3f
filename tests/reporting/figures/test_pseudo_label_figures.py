"""Figures 1 and 2: precision and recall of pseudo labels."""

import numpy as np
import pytest

from gbss.evaluation.found import Found
from gbss.evaluation.pseudo_labels import quality
from gbss.reporting.figures import pseudo_label_groups, pseudo_label_quality
from gbss.splits.annotations import read


def expected(world, row, seed):
    """The counts from the list of detections, one by one."""
    truth = read(world.folder / "build/splits/mini-coco/val.json")
    thresholds = world.logs[row, seed]["thresholds"][-1].astype(np.float32)
    sample = list(truth.image_ids[:9])
    ids = truth.category_ids.tolist()
    kept = [
        each
        for each in world.detections[row, seed]
        if each["image_id"] in sample
        and np.float32(each["score"]) > thresholds[ids.index(each["category_id"])]
    ]
    columns = ([each[key] for each in kept] for key in ("image_id", "category_id", "bbox", "score"))
    found = Found.of(truth, *(np.array(column) for column in columns))
    return quality(found, truth, np.isin(truth.image_ids, sample))


@pytest.mark.parametrize("seed", [1, 2])
def test_numbers_are_those_of_the_labels_above_the_thresholds(world, seed):
    table = world.numbers(pseudo_label_quality.FIGURE)
    for row in ("soft-teacher-rfs", "gbss"):
        counted = expected(world, row, seed)
        its = table.query("row == @row and seed == @seed").set_index("class")
        its = its.loc[list(world.task.classes)]
        assert its["right"].tolist() == counted.right.tolist()
        assert its["wrong"].tolist() == counted.wrong.tolist()
        np.testing.assert_allclose(its["precision"], counted.precision)
        np.testing.assert_allclose(its["recall"], counted.recall)
    assert set(table["images"]) == {9}
    assert set(table["of"]) == {14}


def test_the_best_classes_of_each_group_come_first(world, monkeypatch):
    monkeypatch.setattr(pseudo_label_quality, "TOP", 3)
    table = world.numbers(pseudo_label_quality.FIGURE)
    mean = np.mean(
        [world.ap[row, seed] for row in ("soft-teacher-rfs", "gbss") for seed in (1, 2)], axis=0
    )
    ap = dict(zip(world.task.classes, mean, strict=True))
    shown = list(dict.fromkeys(table["class"]))
    best = [sorted(names, key=lambda name: -ap[name])[:3] for names in world.task.groups.values()]
    assert shown == best[0] + best[1]


def test_bars_are_hollow_for_the_baseline_and_filled_for_ours(world):
    above, below = world.drawn(pseudo_label_quality.FIGURE).axes
    assert above.get_ylabel() == "precision"
    heights = [bar.get_height() for bar in below.patches]
    table = world.numbers(pseudo_label_quality.FIGURE)
    means = table.query("row == 'gbss'").groupby("class", sort=False)["recall"].mean()
    np.testing.assert_allclose(heights[-4:], means.iloc[-4:], rtol=1e-6)
    assert below.patches[0].get_facecolor() == (1, 1, 1, 1)
    assert below.patches[-1].get_facecolor() != (1, 1, 1, 1)
    note = " ".join(below.figure.get_suptitle().split())
    assert "9 of 14 unlabeled images" in note
    assert "whiskers: lowest to highest seed" in note


def test_groups_are_means_over_their_classes(world):
    table = world.numbers(pseudo_label_groups.FIGURE)
    counted = expected(world, "gbss", 2)
    minority = [1, 4, 7, 10]
    its = table.query("row == 'gbss' and seed == 2 and group == 'minority'").iloc[0]
    assert its["precision"] == pytest.approx(np.nanmean(counted.precision[minority]))
    assert its["recall"] == pytest.approx(np.nanmean(counted.recall[minority]))
    assert its["classes"] == 4
    assert its["with_objects"] == np.sum(counted.objects[minority] > 0)
    assert len(world.drawn(pseudo_label_groups.FIGURE).axes) == 2
