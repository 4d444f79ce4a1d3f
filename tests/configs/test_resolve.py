import json
from pathlib import Path

import pytest

from gbss import tasks
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
    _, _, config = resolved
    found = config.model.semi_train_cfg
    assert (found.pseudo_label_initial_score_thr, found.rpn_pseudo_thr) == (0.5, 0.9)
    assert (found.cls_pseudo_thr, found.reg_pseudo_thr) == (0.9, 0.02)
    assert (found.jitter_times, found.jitter_scale, found.unsup_weight) == (10, 0.06, 4.0)
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


def test_training_cannot_see_hidden_annotations(resolved):
    _, _, config = resolved
    assert "hidden" not in json.dumps(config.to_dict())


def test_seed_batch_and_teacher(resolved):
    scale, _, config = resolved
    assert config.randomness.seed == 5
    assert config.train_dataloader.batch_size == scale.batch.size
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
