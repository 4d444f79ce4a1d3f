from pathlib import Path

import pytest
from mmdet.registry import MODELS

from gbss import tasks
from gbss.configs.resolve import Inputs, resolve
from gbss.experiments import load_experiments
from gbss.scales import load_scale

ROWS = load_experiments().rows


def resolved(row, scale="paper"):
    scale = load_scale(scale).of(row.task)
    task = tasks.get(scale.task_of(row.task))
    return resolve(task, row, scale, 5, Inputs.of(task, scale), Path("somewhere"))


def test_retinanet_is_mmdets_with_the_backbone_and_images_of_the_two_stage_detector():
    config = resolved(ROWS["retinanet"])
    detector, two_stage = config.model.detector, resolved(ROWS["soft-teacher"]).model.detector
    assert detector.type == "RetinaNet"
    assert detector.backbone == two_stage.backbone
    assert detector.data_preprocessor == two_stage.data_preprocessor
    head = detector.bbox_head
    assert (head.num_classes, head.stacked_convs, head.feat_channels) == (80, 4, 256)
    assert head.anchor_generator.strides == [8, 16, 32, 64, 128]
    assert head.loss_cls.use_sigmoid
    assert "norm_cfg" not in head
    plain = resolved(ROWS["soft-teacher"])
    for key in ("train_dataloader", "param_scheduler", "train_cfg"):
        assert config[key] == plain[key]


def test_loss_and_matrix_have_the_same_focal_constants():
    for row in ("retinanet", "retinanet-gbss"):
        model = resolved(ROWS[row]).model
        loss, method = model.detector.bbox_head.loss_cls, model.method
        assert (loss.gamma, loss.alpha) == (method.focal_gamma, method.focal_alpha) == (2.0, 0.25)
    assert "focal_alpha" not in resolved(ROWS["gbss"]).model.method


def test_thresholds_are_those_of_sigmoid_scores_and_mmdets_constant_lets_them_by():
    plain, ours = (resolved(ROWS[name]).model for name in ("retinanet", "retinanet-gbss"))
    for model in (plain, ours):
        assert (model.method.thresholds.base, model.method.thresholds.floor) == (0.5, 0.28)
        assert model.semi_train_cfg.cls_pseudo_thr == 0.28
    assert (plain.method.class_wise, ours.method.class_wise) == (False, True)


def test_gbss_on_retinanet_adds_its_parts_and_changes_nothing_else():
    plain, ours = (resolved(ROWS[name]) for name in ("retinanet", "retinanet-gbss"))
    assert plain.model.detector == ours.model.detector
    assert plain.model.semi_train_cfg == ours.model.semi_train_cfg
    assert ours.model.method.weights.type.endswith("JacobiWeights")
    assert ours.model.method.factors.beta == 0.5
    assert any(hook.type.endswith("ResampleHook") for hook in ours.custom_hooks)
    assert ours.train_dataloader.sampler.labeled_threshold == 0.1


def test_gradients_are_clipped_and_class_weights_do_not_decay():
    found = {name: resolved(ROWS[name]).optim_wrapper for name in ("retinanet", "retinanet-gbss")}
    assert all(each.clip_grad.max_norm == 20 for each in found.values())
    assert found["retinanet-gbss"].constructor.endswith("OptimizerConstructor")
    assert "clip_grad" not in resolved(ROWS["gbss"]).optim_wrapper


@pytest.mark.parametrize("scale", ["paper", "demo"])
def test_it_can_be_built_at_every_scale(scale):
    detector = resolved(ROWS["retinanet"], scale).model.detector
    MODELS.build(detector.backbone)
    MODELS.build(detector.neck)
    anchors = MODELS.build(detector.bbox_head).prior_generator.base_anchors
    assert len(anchors) == detector.neck.num_outs
    if scale == "demo":
        sides = [(each[:, 2] - each[:, 0]).round().tolist() for each in anchors]
        assert sides == [[16, 20, 25], [32, 40, 51]]
