"""Thresholds, class weights, repeat factors and losses over training."""

import json

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.grid.logs import read_losses, read_training_log
from gbss.reporting.figures import (
    class_weights_over_training,
    learning_curves,
    repeat_factors_over_training,
    thresholds_over_training,
)

MINORITY = [1, 4, 7, 10]


def test_thresholds_by_group(world):
    table = world.numbers(thresholds_over_training.FIGURE)
    assert set(table["row"]) == {"gbss"}
    its = table.query("seed == 2 and group == 'minority'")
    thresholds = world.logs["gbss", 2]["thresholds"][:, MINORITY]
    np.testing.assert_allclose(its["mean"], thresholds.mean(axis=1))
    np.testing.assert_allclose(its["lowest"], thresholds.min(axis=1))
    np.testing.assert_allclose(its["highest"], thresholds.max(axis=1))
    (axes,) = world.drawn(thresholds_over_training.FIGURE).axes
    assert [line.get_label() for line in axes.lines[:2]] == ["majority", "minority"]
    (end,) = [line for line in axes.lines if set(line.get_xdata()) == {3}]  # 0.25 of 12 iterations
    assert end.get_ydata() == [0, 1]


def test_weights_by_group_and_of_the_background(world):
    table = world.numbers(class_weights_over_training.FIGURE)
    its = table.query("seed == 1 and group == 'background'")
    np.testing.assert_allclose(its["mean"], world.logs["gbss", 1]["weights"][:, 12])
    (axes,) = world.drawn(class_weights_over_training.FIGURE).axes
    expected = np.mean(
        [world.logs["gbss", seed]["weights"][:, MINORITY].mean(axis=1) for seed in (1, 2)], axis=0
    )
    np.testing.assert_allclose(axes.lines[1].get_ydata(), expected, rtol=1e-6)
    assert axes.lines[2].get_label() == "background"


def test_no_weight_and_no_threshold_lies_outside(world):
    table = world.numbers(class_weights_over_training.FIGURE)
    study = world.study(class_weights_over_training.FIGURE)
    (axes,) = class_weights_over_training.draw(table, study).axes
    assert axes.get_ylim()[0] == 0
    below = table.assign(lowest=table["lowest"] - 3)  # as of the direct solution
    (axes,) = class_weights_over_training.draw(below, study).axes
    assert axes.get_ylim()[0] < below["lowest"].min()
    table = world.numbers(thresholds_over_training.FIGURE)
    (axes,) = thresholds_over_training.draw(table.assign(lowest=0.2, highest=0.97), study).axes
    low, high = axes.get_ylim()
    assert low < 0.2
    assert high > 0.97
    assert "range of the classes" in " ".join(axes.figure.get_suptitle().split())


def test_repeats_and_copies(world):
    table = world.numbers(repeat_factors_over_training.FIGURE)
    its = table.query("seed == 2 and group == 'majority'")
    images = world.logs["gbss", 2]["images_by_copies"]
    for number in range(3):
        total = sum(images[number])
        copies = sum(count * (1 + place) for place, count in enumerate(images[number])) / total
        assert its["copies"].iloc[number] == pytest.approx(copies)
        assert its["repeated_images"].iloc[number] == pytest.approx(1 - images[number][0] / total)
    assert len(world.drawn(repeat_factors_over_training.FIGURE).axes) == 2


def test_losses_are_those_of_the_log(world):
    table = world.numbers(learning_curves.FIGURE)
    its = table.query("row == 'gbss' and seed == 1")
    assert its["iteration"].tolist() == [4, 8, 12]
    assert its["sup_loss_cls"].tolist() == [0.25, 0.125, 1 / 12]
    assert its["unsup_loss_cls"].isna().all()
    assert len(world.drawn(learning_curves.FIGURE).axes) == 8


def test_a_resumed_run_overwrites_what_it_lost(tmp_path):
    for start, steps, loss in (("1", (2, 4, 6, 8), 1.0), ("2", (6, 8, 10), 2.0)):
        path = tmp_path / start / "vis_data/scalars.json"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps({"iter": s, "loss": loss}) + "\n" for s in steps))
    found = read_losses(tmp_path)
    assert found["iter"].tolist() == [2, 4, 6, 8, 10]
    assert found["loss"].tolist() == [1, 1, 2, 2, 2]


def test_broken_logs_are_named(tmp_path):
    with pytest.raises(GbssError, match=r"no whole line in vis_data/scalars\.json"):
        read_losses(tmp_path)
    path = tmp_path / "1/vis_data/scalars.json"
    path.parent.mkdir(parents=True)
    # Between two iterations mmengine tells what it found in the validation images.
    path.write_text('{"iter": 2, "loss": 1}\n{"AP/all": 0.5, "step": 3}\n{"iter": 4, "lo')
    assert read_losses(tmp_path)["iter"].tolist() == [2]
    path.write_text('{"iter": 2, "loss": 1}\n{"iter": 4, "lo\n{"iter": 6, "loss": 1}\n')
    with pytest.raises(GbssError, match=r"scalars.json: line 2"):
        read_losses(tmp_path)
    (tmp_path / "log.npz").write_bytes(b"PK half")
    for name in ("log.npz", "none.npz"):
        with pytest.raises(GbssError, match=name):
            read_training_log(tmp_path / name)
