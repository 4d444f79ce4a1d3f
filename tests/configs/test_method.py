from dataclasses import replace
from pathlib import Path

import pytest
from mmdet.registry import MODELS

from gbss import tasks
from gbss.configs import semi
from gbss.configs.losses import BOX_HEADS, FOCAL_EXPONENT
from gbss.configs.method import BASE_THRESHOLD, Windows, method, sampler
from gbss.configs.resolve import Inputs, resolve
from gbss.errors import GbssError
from gbss.experiments import load_experiments
from gbss.rows import DETECTORS, LOSSES
from gbss.scales import load_scale

ROWS = load_experiments().rows


def resolved(row, scale="paper"):
    scale = load_scale(scale).of(row.task)
    task = tasks.get(scale.task_of(row.task))
    return resolve(task, row, scale, 5, Inputs.of(task, scale), Path("somewhere"))


def hook(config, name):
    found = [hook for hook in config.custom_hooks if hook.type.endswith(name)]
    return found[0] if found else None


def test_at_the_papers_scale_the_constants_are_those_of_paper_and_release():
    config = method(ROWS["gbss"], load_scale("paper"), 80)
    assert config["statistics"]["warmup"] == config["thresholds"]["warmup"] == 4000
    assert config["statistics"]["momentum"] == pytest.approx(0.999, abs=1e-6)
    assert config["weights"]["loss_weight"] == pytest.approx(5, rel=1e-3)
    assert (config["thresholds"]["base"], config["thresholds"]["floor"]) == (0.9, 0.5)
    assert (config["factors"]["beta"], config["class_wise"]) == (0.5, True)
    resample = hook(resolved(ROWS["gbss"]), "ResampleHook")
    assert (resample.merge_interval, resample.interval, resample.delay) == (4000, 16000, 32)
    assert (resample.strategy, resample.threshold) == ("crs", 0.5)


def test_the_demo_has_a_long_warmup_and_a_step_of_three_percent_in_log_space():
    scale = load_scale("demo")
    config = method(ROWS["gbss"], scale, 12)
    assert config["weights"]["warmup"] == 300
    assert config["factors"]["momentum"] == pytest.approx(0.99, abs=1e-5)
    rate, momentum = scale.optimizer.learning_rate, scale.optimizer.momentum
    step = rate / (1 - momentum) * 2 * config["weights"]["loss_weight"] / 13
    assert step == pytest.approx(0.03, rel=0.02)


def test_the_released_warmups_are_two_and_three_times_the_papers():
    windows = Windows.of(replace(ROWS["gbss"], variant="release"), load_scale("paper"))
    assert (windows.weights_warmup, windows.thresholds_warmup) == (8000, 12000)


@pytest.mark.parametrize(
    ("row", "warmups", "momentum", "intervals", "decay", "released"),
    [
        ("split2-gbss", 4000, 0.999, (4000, 16000), [120_000, 160_000], (8000, 12_000)),
        ("objects365-gbss", 16_000, 0.999, (4000, 36_000), [280_000, 320_000], (12_000, 32_000)),
        ("lvis-gbss", 16_000, 0.999, (4000, 16_000), [140_000, 160_000], (8000, 16_000)),
    ],
)
def test_the_other_tasks_have_their_own_windows_and_schedules(
    row, warmups, momentum, intervals, decay, released
):
    config = resolved(ROWS[row])
    method = config.model.method
    assert method.statistics.warmup == method.thresholds.warmup == warmups
    assert method.statistics.momentum == pytest.approx(momentum, abs=1e-6)
    # The released code's loss weight with every number of classes.
    assert method.weights.loss_weight == pytest.approx(5, rel=1e-3)
    resample = hook(config, "ResampleHook")
    assert (resample.merge_interval, resample.interval) == intervals
    assert config.param_scheduler[-1].milestones == decay
    scale = load_scale("paper").of(ROWS[row].task)
    windows = Windows.of(replace(ROWS[row], variant="release"), scale)
    assert (windows.weights_warmup, windows.thresholds_warmup) == released


def test_thresholds_of_both_samplings_follow_the_task():
    found = {}
    for name in ("split2", "objects365", "lvis"):
        config = resolved(ROWS[f"{name}-gbss"])
        threshold = config.train_dataloader.sampler.labeled_threshold
        found[name] = (threshold, hook(config, "ResampleHook").threshold)
    assert found == {"split2": (0.1, 0.5), "objects365": (0.02, 0.05), "lvis": (0.01, 0.05)}
    assert resolved(ROWS["objects365-gbss"]).train_cfg.max_iters == 360_000


def test_a_warmup_as_long_as_the_run_is_refused_where_it_matters():
    demo = load_scale("demo")
    scale = replace(demo, method=replace(demo.method, warmup=0.9999))
    with pytest.raises(GbssError, match=r"warm-up of 1600 iterations(.|\n)*the run's 1600"):
        Windows.of(ROWS["gbss"], scale)
    assert Windows.of(ROWS["soft-teacher"], scale).weights_warmup == 1600
    scale = replace(demo, method=replace(demo.method, warmup=0.4))
    with pytest.raises(GbssError, match="1920 iterations for the thresholds"):
        Windows.of(replace(ROWS["gbss"], variant="release"), scale)


def test_each_choice_turns_on_its_part_and_no_other():
    def parts(row):
        config = resolved(row)
        resample = hook(config, "ResampleHook")
        return {
            "solver": config.model.method.get("weights", {}).get("type", "").split(".")[-1],
            "weighted": "factors" in config.model.method,
            "class_wise": config.model.method.class_wise,
            "constant": config.model.semi_train_cfg.cls_pseudo_thr,
            "labeled": config.train_dataloader.sampler.get("labeled_threshold"),
            "unlabeled": resample and (resample.strategy, resample.threshold),
        }

    plain = {
        "solver": "",
        "weighted": False,
        "class_wise": False,
        "constant": 0.9,
        "labeled": None,
        "unlabeled": None,
    }
    rfs = plain | {"labeled": 0.1}
    reweighted = rfs | {"solver": "JacobiWeights", "weighted": True}
    gbt = {"class_wise": True, "constant": 0.5}
    crs = {"unlabeled": ("crs", 0.5)}
    assert parts(ROWS["soft-teacher"]) == plain
    assert parts(ROWS["soft-teacher-rfs"]) == rfs
    assert parts(ROWS["gbss-gbr"]) == reweighted
    assert parts(ROWS["gbss-rfs-random"]) == reweighted | gbt
    assert parts(ROWS["gbss-gbr-crs"]) == reweighted | crs
    assert parts(ROWS["gbss-gbt-crs"]) == rfs | gbt | crs | {"solver": "JacobiWeights"}
    assert parts(ROWS["gbss"]) == reweighted | gbt | crs
    assert parts(ROWS["gbss-direct"]) == reweighted | gbt | crs | {"solver": "DirectWeights"}
    assert parts(ROWS["gbss-rfs-rfs"])["unlabeled"] == ("rfs", 0.1)


def test_rpn_and_regression_thresholds_stay_those_of_soft_teacher():
    found = resolved(ROWS["gbss"]).model.semi_train_cfg
    assert (found.rpn_pseudo_thr, found.reg_pseudo_thr) == (0.9, 0.02)
    assert found.pseudo_label_initial_score_thr == 0.5


def test_a_drawn_ratio_is_a_choice_of_the_scale():
    paper = load_scale("paper")
    assert "drawn" not in sampler(ROWS["gbss"], paper)
    drawn = replace(paper, batch=replace(paper.batch, ratio="drawn"))
    assert sampler(ROWS["gbss"], drawn)["drawn"]


def test_the_released_variant_has_its_focal_loss_in_loss_and_matrix():
    head = resolved(ROWS["gbss"]).model.detector.roi_head.bbox_head
    assert (head.loss_cls.type, method(ROWS["gbss"], load_scale("demo"), 12)["focal_gamma"]) == (
        "CrossEntropyLoss",
        None,
    )
    row = replace(ROWS["gbss"], variant="release", loss="focal")
    head = resolved(row).model.detector.roi_head.bbox_head
    assert (head.loss_cls.type.split(".")[-1], head.loss_cls.gamma) == ("SoftmaxFocalLoss", 1.0)
    assert method(row, load_scale("demo"), 12)["focal_gamma"] == 1.0


def test_unbiased_teacher_has_the_settings_of_its_original():
    config = resolved(ROWS["unbiased-teacher"])
    model, scale = config.model, load_scale("paper")
    assert model.semi_train_cfg.burn_in == 2000
    assert (model.method.thresholds.base, model.method.thresholds.floor) == (0.7, 0.5)
    assert model.detector.train_cfg.rpn.sampler.pos_fraction == 0.25
    assert model.detector.roi_head.bbox_head.loss_cls.gamma == model.method.focal_gamma == 1.5
    teacher = hook(config, "BurnInTeacherHook")
    assert (teacher.burn_in, teacher.momentum) == (2000, pytest.approx(0.0004))
    sampler = config.train_dataloader.sampler
    # 32 + 32 images in 8 parts; one process has them all.
    assert (sampler.labeled, sampler.unlabeled, config.train_dataloader.batch_size) == (4, 4, 64)
    assert model.semi_train_cfg.unsup_weight == 4
    assert config.param_scheduler[-1].milestones == []
    labeled, unlabeled = config.train_dataloader.dataset.datasets
    for data, strong in ((labeled, "sup"), (unlabeled, "unsup_student")):
        resize = data.pipeline[2]
        assert [side for _, side in resize.scales] == [640, 672, 704, 736, 768, 800]
        branches = data.pipeline[-1]
        assert branches[strong][0].type.endswith("StrongPhotometric")
    smoke = load_scale("smoke")
    assert Windows.of(ROWS["unbiased-teacher"], smoke).burn_in == 3
    assert Windows.of(ROWS["unbiased-teacher"], scale).burn_in == 2000


def test_gbss_on_unbiased_teacher_adds_its_parts_and_changes_nothing_else():
    plain, ours = (resolved(ROWS[name]) for name in ("unbiased-teacher", "unbiased-teacher-gbss"))
    assert ours.model.method.class_wise
    assert ours.model.method.weights.type.endswith("JacobiWeights")
    assert hook(ours, "ResampleHook").strategy == "crs"
    assert plain.model.detector == ours.model.detector
    assert plain.model.semi_train_cfg == ours.model.semi_train_cfg


def test_burn_in_belongs_to_the_settings_of_unbiased_teacher_alone():
    scale = load_scale("demo")
    longer = replace(scale, method=replace(scale.method, burn_in=0.5))
    for name, same in (("gbss", True), ("soft-teacher", True), ("unbiased-teacher", False)):
        assert (scale.settings(ROWS[name]) == longer.settings(ROWS[name])) == same
    assert scale.settings(ROWS["unbiased-teacher"])["scale"]["method"] == {"burn_in": 0.125}


def test_every_loss_has_a_place_in_the_box_head():
    assert set(BOX_HEADS) == set(LOSSES)
    assert set(semi.TYPES) == set(DETECTORS) == set(FOCAL_EXPONENT) == set(BASE_THRESHOLD)
    for name, loss in LOSSES.items():
        config = resolved(replace(ROWS["soft-teacher"], loss=name))
        assert (hook(config, "PriorHook") is not None) == loss.prior
        MODELS.build(config.model.detector.roi_head.bbox_head)


def test_daso_has_the_features_of_the_head_and_queues_that_fit():
    found = resolved(ROWS["daso"]).model.method.daso
    assert (found.features, found.length, found.warmup) == (1024, 256, 4000)
    assert resolved(ROWS["daso"], "demo").model.method.daso.features == 128
    lvis = replace(ROWS["daso"], task="lvis")
    scale = load_scale("paper")
    task = tasks.get("lvis")
    config = resolve(task, lvis, scale, 5, Inputs.of(task, scale), Path("somewhere"))
    assert config.model.method.daso.length == 27
    assert "daso" not in resolved(ROWS["gbss"]).model.method


def test_a_second_stage_starts_from_another_run_and_draws_by_class():
    row = ROWS["classifier-retraining"]
    scale = load_scale("demo")
    task = tasks.get("mini-coco")
    inputs = replace(Inputs.of(task, scale), start=Path("first/model.pth"))
    config = resolve(task, row, scale, 5, inputs, Path("somewhere"))
    assert hook(config, "StartHook").path == "first/model.pth"
    assert config.model.semi_train_cfg.classifier_alone
    sampler = config.train_dataloader.sampler
    assert (sampler.labeled_by_class, sampler.labeled, sampler.unlabeled) == (True, 4, 0)
    assert config.train_dataloader.dataset.datasets[0].pipeline[-1].branch_field == ["sup"]
    plain = resolved(ROWS["soft-teacher"])
    assert hook(plain, "StartHook") is None
    assert "classifier_alone" not in plain.model.semi_train_cfg
