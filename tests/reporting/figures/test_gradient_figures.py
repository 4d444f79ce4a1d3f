"""Figures 3 and 5: gradients over training, from the logs."""

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.reporting.figures import gradient_norms, gradients_of_a_class

GROUPS = {"majority": [0, 2, 3, 5, 6, 8, 9, 11], "minority": [1, 4, 7, 10]}


def of(table, **wanted):
    """The lines with these values."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def forces(world, row, seed):
    """Positive and negative gradients of both branches, written out; smoke has a weight of 2."""
    log = world.logs[row, seed]
    weights = log["weights"] if row != "soft-teacher-rfs" else np.ones((3, 13))
    positive, negative = np.zeros((3, 13)), np.zeros((3, 13))
    for step in range(3):
        for class_ in range(13):
            labeled, pseudo = log["positive"][step, :, class_]
            positive[step, class_] = (labeled + 2 * pseudo) * weights[step, class_]
            labeled, pseudo = log["negative"][step, :, class_]
            negative[step, class_] = labeled + 2 * pseudo
    return positive, negative


def test_norms_are_means_over_the_classes_of_a_group(world):
    table = world.numbers(gradient_norms.FIGURE)
    assert len(table) == 2 * 2 * 2 * 3
    for row in ("soft-teacher-rfs", "gbss"):
        for seed in (1, 2):
            norm = sum(forces(world, row, seed))
            for group, places in GROUPS.items():
                its = of(table, row=row, seed=seed, group=group)
                assert its["iteration"].tolist() == [4, 8, 12]
                np.testing.assert_allclose(its["mean"], norm[:, places].mean(axis=1))
                np.testing.assert_allclose(its["highest"], norm[:, places].max(axis=1))


def test_the_norms_are_drawn(world):
    (axes,) = world.drawn(gradient_norms.FIGURE).axes
    lines = {line.get_label(): line for line in axes.lines if " " in line.get_label()}
    assert list(lines) == [
        "majority, Soft Teacher + RFS",
        "majority, GbSS",
        "minority, Soft Teacher + RFS",
        "minority, GbSS",
    ]
    assert lines["minority, GbSS"].get_linestyle() == "-"
    assert lines["minority, Soft Teacher + RFS"].get_linestyle() == "-."
    expected = [
        sum(forces(world, "gbss", seed))[:, GROUPS["minority"]].mean(axis=1) for seed in (1, 2)
    ]
    np.testing.assert_allclose(
        lines["minority, GbSS"].get_ydata(), np.mean(expected, axis=0), rtol=1e-6
    )


def test_a_class_is_shown_with_and_without_gbr(world):
    table = world.numbers(gradients_of_a_class.FIGURE, class_name="horizontal cross")
    assert set(table["row"]) == {"soft-teacher-rfs", "gbss-gbr"}
    for row in set(table["row"]):
        positive, negative = forces(world, row, 2)
        its = of(table, row=row, seed=2)
        np.testing.assert_allclose(its["positive"], positive[:, 10])
        np.testing.assert_allclose(its["negative"], negative[:, 10])
    *_, ratio = world.drawn(gradients_of_a_class.FIGURE).axes
    assert [text.get_text() for text in ratio.get_legend().get_texts()] == [
        "Soft Teacher + RFS",
        "GbR alone",
    ]


def test_the_class_is_a_minority_class_in_the_middle_of_labeled_boxes(world):
    study = world.study(gradients_of_a_class.FIGURE)
    # 8, 17, 26 and 35 boxes
    assert gradients_of_a_class.chosen(study) == "horizontal square"
    with pytest.raises(GbssError, match="did you mean 'horizontal disc'"):
        gradients_of_a_class.chosen(
            world.study(gradients_of_a_class.FIGURE, class_name="horizontal disk")
        )
    (world.folder / "splits/mini-coco/counts.csv").write_text("name,boxes\nkite,3\n")
    with pytest.raises(GbssError, match="gbss split mini-coco"):
        gradients_of_a_class.chosen(study)


def test_the_ratio_is_shown_whole_and_with_its_balance(world):
    study = world.study(gradients_of_a_class.FIGURE)
    table = world.numbers(gradients_of_a_class.FIGURE)
    *_, ratio = gradients_of_a_class.draw(table.assign(negative=30 * table["positive"]), study).axes
    low, high = ratio.get_ylim()
    assert ratio.get_yscale() == "log"
    assert low <= 1 < 30 <= high
    nothing = table.assign(positive=0.0, negative=0.0)  # a class that was never seen
    gradients_of_a_class.draw(nothing, study).draw_without_rendering()


def test_it_is_said_what_the_gradients_are_weighted_by(world):
    for figure in (gradient_norms.FIGURE, gradients_of_a_class.FIGURE):
        note = " ".join(world.drawn(figure).get_suptitle().split())
        assert "gradients weighted by w (equation 5), not by the factors of the loss" in note
        assert "band: lowest to highest seed" in note


def test_a_log_that_ends_before_the_warm_up_shows_none(world):
    table = world.numbers(gradient_norms.FIGURE)
    study = world.study(gradient_norms.FIGURE)  # the warm-up has 3 iterations
    (axes,) = gradient_norms.draw(table, study).axes
    assert [text.get_text() for text in axes.texts] == ["warm-up ends"]
    early = table.assign(iteration=table["iteration"] / 8)
    (axes,) = gradient_norms.draw(early, study).axes
    assert not axes.texts
