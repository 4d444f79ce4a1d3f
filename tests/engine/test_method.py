"""Runs with the method: as good as without it where it is off, and repeatable where it is on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmdet.models import SoftTeacher
from mmdet.registry import MODELS

from gbss.configs.resolve import resolve
from gbss.detection.checkpoints import read_checkpoint
from gbss.detection.hooks import SeedHook
from gbss.detection.method import Method
from gbss.engine.train import build_runner, train
from gbss.experiments import load_experiments
from gbss.grid.logs import read_training_log
from gbss.grid.place import TRAINING_LOG

ROWS = load_experiments().rows


class Killed(BaseException):
    pass


@MODELS.register_module()
class PlainSoftTeacher(SoftTeacher):
    def __init__(self, method, **kwargs):
        assert method is None
        super().__init__(**kwargs)


def weights(run):
    return read_checkpoint(run.model)["state_dict"]


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def without_method(config):
    """mmdet's Soft Teacher and heads, none of our modules, the hooks that are needed."""
    config.model.type = "PlainSoftTeacher"
    config.model.method = None
    config.model.detector.roi_head.type = "StandardRoIHead"
    config.model.detector.roi_head.bbox_head.type = "Shared2FCBBoxHead"
    config.custom_hooks = [
        hook for hook in config.custom_hooks if "method" not in hook.type.lower()
    ]
    config.custom_hooks = [hook for hook in config.custom_hooks if "training_log" not in hook.type]


def eager(config):
    """Takes a teacher that knows nothing for sure of its boxes, so that there are pseudo labels."""
    config.model.semi_train_cfg.update(
        pseudo_label_initial_score_thr=0.0, cls_pseudo_thr=0.0, reg_pseudo_thr=9.0
    )
    config.model.detector.test_cfg.rcnn.score_thr = 0.01
    if config.model.get("method"):
        config.model.method.thresholds.update(base=0.1, floor=0.01)


def first_step(run, change):
    """Losses and gradients of a step, from the run's first weights and images."""
    config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, run.folder)
    eager(config)
    change(config)
    runner = build_runner(config)
    model = runner.model.train()
    batch = next(iter(runner.build_dataloader(config.train_dataloader, seed=run.seed)))
    torch.manual_seed(8)
    losses = model(**model.data_preprocessor(batch, True), mode="loss")
    model.parse_losses(losses)[0].backward()
    return losses, {name: value.grad for name, value in model.student.named_parameters()}


def test_a_step_is_that_of_mmdets_soft_teacher(run_in, tmp_path):
    """What mmdet computes for nothing is left out; losses and gradients stay, up to rounding."""
    run = run_in(tmp_path / "run")
    losses, gradients = first_step(run, lambda config: None)
    expected_losses, expected_gradients = first_step(run, without_method)
    assert losses["unsup_loss_bbox"] > 0
    assert losses.keys() == expected_losses.keys()
    for found, expected in ((losses, expected_losses), (gradients, expected_gradients)):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_log_of_a_run_without_the_method(run_in, tmp_path):
    run = run_in(tmp_path / "run")
    train(run)
    log = read_training_log(run.folder / TRAINING_LOG)
    assert log["iteration"].tolist() == [1, 2, 3, 4, 5, 6]
    assert (log["weights"] == 1).all()
    assert log["positive"].shape == log["negative"].shape == (6, 2, 13)
    assert (log["positive"][:, 0].sum(1) > 0).all()
    assert (log["images_by_copies"][:, 1:] == 0).all()


def test_gbss_goes_on_to_the_last_bit(run_in, tmp_path, tiny_scale, with_config, monkeypatch):
    """Weights, statistics, pool, re-sampling and log; with other loading processes, too."""
    with_config(eager)
    scale = replace(tiny_scale, schedule=replace(tiny_scale.schedule, iterations=10))
    # A large cap makes repeats of the small margins that an untrained teacher gives.
    row = replace(ROWS["gbss"], gamma=1e5)
    whole, cut = (run_in(tmp_path / name, row=row, scale=scale) for name in ("whole", "cut"))
    branches = []
    observe = Method.observe

    def noted(self, branch, *samples):
        branches.append(branch)
        return observe(self, branch, *samples)

    with monkeypatch.context() as patch:
        patch.setattr(Method, "observe", noted)
        train(whole)
    assert branches == ["labeled", "pseudo"] * 10

    log = read_training_log(whole.folder / TRAINING_LOG)
    assert (log["weights"][:3] == 1).all()
    assert np.abs(log["weights"][-1] - 1).max() > 0.01
    assert log["kept"][-1].sum() > 0
    assert log["images_by_copies"][-1, 1:].sum() > 0  # CrS repeats images
    assert len(np.unique(log["images_by_copies"], axis=0)) > 2  # and changes its mind

    original = SeedHook.before_train_iter

    def kill(self, runner, batch_idx, data_batch=None):
        if runner.iter == 9:
            raise Killed
        original(self, runner, batch_idx, data_batch)

    with monkeypatch.context() as patch:
        patch.setattr(SeedHook, "before_train_iter", kill)
        with pytest.raises(Killed):
            train(cut)
    loading = replace(cut, scale=replace(scale, batch=replace(scale.batch, workers=1)))
    train(loading)
    assert same(weights(loading), weights(whole))
    resumed = read_training_log(cut.folder / TRAINING_LOG)
    assert resumed.keys() == log.keys()
    assert all(np.array_equal(resumed[key], log[key], equal_nan=True) for key in log)
    last = [read_checkpoint(run.folder / "checkpoints/iter_0000010.pth") for run in (whole, cut)]
    assert same(*(checkpoint["state_dict"] for checkpoint in last))
    assert "method.pool.images" in last[0]["state_dict"]
    assert not any(key.startswith("method.") for key in weights(whole))


def test_a_run_without_any_pseudo_label_ends_like_any_other(run_in, tmp_path, tiny_scale):
    scale = replace(tiny_scale, schedule=replace(tiny_scale.schedule, iterations=4))
    run = run_in(tmp_path / "run", row=ROWS["gbss"], scale=scale)
    train(run)
    log = read_training_log(run.folder / TRAINING_LOG)
    assert (log["kept"] == 0).all()
    assert (log["images_by_copies"][:, 1:] == 0).all()
    assert np.isfinite(log["weights"]).all()
    assert np.isfinite(log["thresholds"]).all()
