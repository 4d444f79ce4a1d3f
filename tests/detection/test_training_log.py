from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gbss.detection.method import Method
from gbss.detection.training_log import TrainingLogHook, snapshot
from gbss.grid.logs import read_training_log
from gbss.grid.place import TRAINING_LOG

STATISTICS = {"type": "gbss.imbalance.gradients.GradientStatistics", "classes": 3, "warmup": 5}
THRESHOLDS = {"type": "gbss.imbalance.thresholds.ClassThresholds", "classes": 2, "warmup": 5}
WEIGHTS = {"type": "gbss.imbalance.reweighting.JacobiWeights", "classes": 3, "warmup": 0}
FACTORS = {"type": "gbss.imbalance.reweighting.SampleWeights"}


@pytest.fixture
def runner(tmp_path):
    method = Method(STATISTICS, THRESHOLDS)
    copies = np.array([1, 1, 2, 40, 1, 2, 1])
    sampler = SimpleNamespace(copies_at=lambda batch: copies)
    return SimpleNamespace(
        model=SimpleNamespace(method=method),
        train_dataloader=SimpleNamespace(sampler=sampler),
        work_dir=str(tmp_path),
        iter=0,
    )


def run(runner, hook, first, last):
    hook.before_train(runner)
    for runner.iter in range(first, last):
        runner.model.method.statistics.running[0] = torch.full((3, 3), float(runner.iter + 1))
        hook.after_train_iter(runner, runner.iter)


def test_snapshots_are_arrays_over_time(runner, tmp_path):
    hook = TrainingLogHook(interval=2)
    run(runner, hook, 0, 7)
    assert not (tmp_path / TRAINING_LOG).exists()
    hook.before_checkpoint(runner)
    log = read_training_log(tmp_path / TRAINING_LOG)
    assert log["iteration"].tolist() == [2, 4, 6]
    assert log["positive"][:, 0].tolist() == [[2] * 3, [4] * 3, [6] * 3]
    assert log["negative"][:, 0].tolist() == [[4] * 3, [8] * 3, [12] * 3]
    assert not log["positive"][:, 1].any()
    assert log["images_by_copies"][0].tolist() == [4, 2] + 13 * [0] + [1]
    assert log["thresholds"].shape == log["kept"].shape == log["class_repeats"].shape == (3, 2)
    assert np.isnan(log["mean_scores"]).all()


def test_a_resumed_run_cuts_the_log_back(runner, tmp_path):
    whole = TrainingLogHook(interval=2)
    run(runner, whole, 0, 9)
    whole.before_checkpoint(runner)
    expected = read_training_log(tmp_path / TRAINING_LOG)
    runner.iter = 5  # from an older checkpoint than that of the log
    resumed = TrainingLogHook(interval=2)
    run(runner, resumed, 5, 9)
    resumed.before_checkpoint(runner)
    found = read_training_log(tmp_path / TRAINING_LOG)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key], equal_nan=True) for key in found)


def test_a_new_run_does_not_go_on_with_an_old_log(runner, tmp_path):
    old = TrainingLogHook(interval=2)
    run(runner, old, 0, 9)
    old.before_checkpoint(runner)
    runner.iter = 0
    new = TrainingLogHook(interval=2)
    run(runner, new, 0, 3)
    new.before_checkpoint(runner)
    assert read_training_log(tmp_path / TRAINING_LOG)["iteration"].tolist() == [2]


@pytest.mark.parametrize(("factors", "negative"), [(None, [5, 10, 8]), (FACTORS, [4, 2, 5.5])])
def test_negative_gradients_are_weighted_in_rows_whose_loss_is(factors, negative):
    method = Method(STATISTICS, THRESHOLDS, WEIGHTS, factors, class_wise=True)
    method.statistics.running[0] = torch.tensor([[-9.0, 2, 3], [4, -9, 6], [7, 1, -9]])
    method.class_weights = torch.tensor([0.5, 2.0, 0.0])
    found = snapshot(method, np.ones(4, dtype=int))
    assert found["weights"].tolist() == [0.5, 2.0, 0.0]
    assert found["negative"][0].tolist() == negative
    assert found["factor_mean"] == 1
