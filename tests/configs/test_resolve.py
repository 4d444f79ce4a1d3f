import json
from dataclasses import replace
from pathlib import Path

import pytest

from gbss import tasks
from gbss.cli import main
from gbss.configs.resolve import Inputs, resolve
from gbss.scales import load_scale


@pytest.fixture(params=["smoke", "demo", "paper"])
def resolved(request, soft_teacher):
    scale = load_scale(request.param)
    task = tasks.get(scale.task_of("coco-split1"))
    inputs = Inputs.of(task, scale)
    config = resolve(task, soft_teacher, scale, 5, inputs, Path("somewhere"))
    return scale, task, config


def test_method_settings_are_those_of_soft_teacher_at_every_scale(resolved):
    scale, _, config = resolved
    found = config.model.semi_train_cfg
    assert (found.pseudo_label_initial_score_thr, found.rpn_pseudo_thr) == (0.5, 0.9)
    assert (found.cls_pseudo_thr, found.reg_pseudo_thr) == (0.9, 0.02)
    assert (found.jitter_times, found.jitter_scale) == (10, 0.06)
    weight = 4 if scale.scale == "paper" else 2
    assert found.unsup_weight == config.model.method.statistics.pseudo_weight == weight
    assert config.model.semi_test_cfg.predict_on == "teacher"


def test_the_head_and_both_datasets_know_the_classes(resolved):
    _, task, config = resolved
    head = config.model.detector.roi_head.bbox_head
    assert head.num_classes == len(task.classes)
    labeled, unlabeled = config.train_dataloader.dataset.datasets
    for dataset in (labeled, unlabeled, config.test_dataloader.dataset):
        assert tuple(dataset.metainfo.classes) == task.classes
    assert labeled.filter_cfg.filter_empty_gt
    assert not unlabeled.filter_cfg.filter_empty_gt


def test_long_runs_are_looked_at_on_the_way(resolved):
    scale, _, config = resolved
    interval = {"smoke": 10, "demo": None, "paper": 20_000}[scale.scale]
    assert ("val_dataloader" in config) == (interval is not None)
    if interval:
        assert config.train_cfg.val_interval == interval
        assert config.val_dataloader.dataset == config.test_dataloader.dataset


def test_training_cannot_see_hidden_annotations(resolved):
    _, _, config = resolved
    assert "hidden" not in json.dumps(config.to_dict())


def test_seed_batch_and_teacher(resolved):
    scale, _, config = resolved
    assert config.randomness.seed == 5
    assert config.train_dataloader.batch_size == scale.batch.size * scale.batch.parts
    (mean_teacher,) = (hook for hook in config.custom_hooks if hook.type == "MeanTeacherHook")
    assert mean_teacher.momentum == pytest.approx(1 - scale.optimizer.teacher_momentum)


def test_images_are_loaded_by_our_own_transform_everywhere(resolved):
    _, _, config = resolved
    assert "'LoadImageFromFile'" not in config.pretty_text
    assert config.pretty_text.count("gbss.detection.dataset.LoadImage") >= 3


def test_caffe_weights_get_caffe_pixels(resolved):
    scale, _, config = resolved
    pixels = config.model.data_preprocessor.data_preprocessor
    if scale.detector == "resnet50":
        assert config.model.detector.backbone.style == "caffe"
        assert (pixels["std"], pixels.bgr_to_rgb) == ([1.0, 1.0, 1.0], False)
    else:
        assert pixels.bgr_to_rgb
    assert not config.model.detector.backbone.norm_cfg.requires_grad


def test_schedule_optimizer_and_hooks(resolved):
    scale, _, config = resolved
    warmup, decay = config.param_scheduler
    assert (warmup.begin, warmup.end, warmup.start_factor) == (0, scale.schedule.warmup, 0.001)
    assert (tuple(decay.milestones), decay.gamma) == (scale.schedule.decay, 0.1)
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr) == ("SGD", scale.optimizer.learning_rate)
    assert (optimizer.momentum, optimizer.weight_decay) == (0.9, 0.0001)
    assert [hook.type.split(".")[-1] for hook in config.custom_hooks] == [
        "SeedHook",
        "ProgressHook",
        "MeanTeacherHook",
        "MethodHook",
        "TrainingLogHook",
        "InvalidLossHook",
        "CheckpointHook",
    ]


def test_image_sizes(resolved):
    scale, _, config = resolved
    paper = scale.detector == "resnet50"
    sizes = [(1333, 400), (1333, 1200)] if paper else [(128, 128), (128, 128)]
    labeled, _ = config.train_dataloader.dataset.datasets
    (resize,) = (step for step in labeled.pipeline if step.type == "RandomResize")
    assert [tuple(size) for size in resize.scale] == sizes
    assert ("RandAugment" in {step.type for step in labeled.pipeline}) == paper
    (resize,) = (s for s in config.test_dataloader.dataset.pipeline if s.type == "Resize")
    assert tuple(resize.scale) == ((1333, 800) if paper else (128, 128))


def test_a_warm_up_of_one_step_is_none(soft_teacher):
    scale = load_scale("demo")
    scale = replace(scale, schedule=replace(scale.schedule, warmup=1))
    task = tasks.get("mini-coco")
    inputs = Inputs.of(task, scale)
    (only,) = resolve(task, soft_teacher, scale, 5, inputs, Path("somewhere")).param_scheduler
    assert only.type == "MultiStepLR"


def test_unlabeled_images_may_have_a_folder_of_their_own(soft_teacher, own_data, own_init):
    for device, detector in (("cpu", "small"), ("gpu", "resnet50")):
        Path("workflow/tasks/zoo.yaml").unlink(missing_ok=True)
        own_init[own_init.index("--device") + 1] = device
        assert main(own_init) == 0
        scale, task = load_scale("zoo"), tasks.get("zoo")
        assert scale.detector == detector
        inputs = Inputs.of(task, scale)
        config = resolve(task, soft_teacher, scale, 5, inputs, Path("somewhere"))
        labeled, unlabeled = config.train_dataloader.dataset.datasets
        assert (labeled.ann_file, labeled.data_prefix.img) == (
            "build/splits/zoo/labeled.json",
            "data/labeled",
        )
        assert (unlabeled.ann_file, unlabeled.data_prefix.img) == (
            "build/splits/zoo/unlabeled.json",
            "data/pool",
        )
        assert config.test_dataloader.dataset.data_prefix.img == "data/val"
