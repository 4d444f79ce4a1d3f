"""Figures 4 and 6, and AP against labeled boxes: a value for each class."""

import numpy as np
import pytest

from gbss.reporting.figures import ap_against_labeled_boxes, class_logits, prediction_scores


def test_scores_on_objects_and_of_detections(world):
    table = world.numbers(prediction_scores.FIGURE)
    its = table.query("row == 'gbss' and seed == 2").set_index("class")
    detections, names = world.detections["gbss", 2], world.task.classes
    ids = [category["id"] for category in world.truth["categories"]]
    for place, name in enumerate(names):
        scores = [each["score"] for each in detections if each["category_id"] == ids[place]]
        assert its.loc[name, "detections"] == len(scores)
        mean = sum(scores) / len(scores) if scores else np.nan
        assert its.loc[name, "score_of_detections"] == pytest.approx(mean, nan_ok=True)
    logits = world.logits["gbss", 2]
    np.testing.assert_allclose(its["score_on_objects"], np.diag(logits.scores), rtol=1e-6)
    assert np.isnan(its["score_on_objects"].iloc[-1])  # no object


def test_the_scores_are_drawn_and_what_is_missing_is_named(world):
    above, below = world.drawn(prediction_scores.FIGURE).axes
    # The last class of the majority has no object, in neither row.
    assert [text.get_text() for text in above.texts] == ["none", "none"]
    labels = [text.get_text() for text in below.get_xticklabels()]
    assert labels[:2] == ["solid disc", "vertical disc"]
    assert labels[-1] == "horizontal cross"
    # Not by colour alone.
    assert [text.get_text() for text in above.get_xticklabels()] == ["majority", "minority"]


def test_weak_detections_do_not_count(world, monkeypatch):
    assert prediction_scores.KEPT == 0.05
    monkeypatch.setattr(prediction_scores, "KEPT", 0.6)
    its = world.numbers(prediction_scores.FIGURE).query("row == 'gbss' and seed == 2")
    scores = [each["score"] for each in world.detections["gbss", 2] if each["score"] > 0.6]
    assert its["detections"].sum() == len(scores)
    total = (its["detections"] * its["score_of_detections"].fillna(0)).sum()
    assert total == pytest.approx(sum(scores))


def test_logits_are_held_against_their_mean(world):
    table = world.numbers(class_logits.FIGURE)
    assert set(table["row"]) == {"soft-teacher-rfs", "gbss-gbr"}
    its = table.query("row == 'gbss-gbr' and seed == 1").set_index("class")
    logits = world.logits["gbss-gbr", 1].logits
    own = logits[3, 3] - sum(logits[3]) / 13
    assert its.loc["solid square", "own"] == pytest.approx(own, rel=1e-5)
    others = [logits[k, 3] - sum(logits[k]) / 13 for k in range(11) if k != 3]
    assert its.loc["solid square", "on_others"] == pytest.approx(sum(others) / 10, rel=1e-5)
    assert len(world.drawn(class_logits.FIGURE).axes) == 2


def test_ap_stands_above_the_labeled_boxes(world):
    table = world.numbers(ap_against_labeled_boxes.FIGURE)
    its = table.query("row == 'gbss' and seed == 1 and `class` == 'solid square'").iloc[0]
    assert its["labeled_boxes"] == world.boxes["solid square"] == 14
    assert its["ap"] == pytest.approx(world.ap["gbss", 1][3])
    (axes,) = world.drawn(ap_against_labeled_boxes.FIGURE).axes
    points = axes.collections[-1].get_offsets()  # ours, minority
    np.testing.assert_allclose(points[:, 0], [35, 8, 17, 26], rtol=1e-6)
    mean = (world.ap["gbss", 1][1] + world.ap["gbss", 2][1]) / 2
    np.testing.assert_allclose(points[1, 1], 100 * mean, rtol=1e-6)


def test_classes_with_as_many_boxes_stand_beside_each_other():
    places = ap_against_labeled_boxes.beside_each_other([5, 5, 8, 5])
    np.testing.assert_allclose(places, [4.8, 5, 8, 5.2])
    many = ap_against_labeled_boxes.beside_each_other([10] * 300)
    np.testing.assert_allclose([min(many), max(many)], [9.6, 10.4])
