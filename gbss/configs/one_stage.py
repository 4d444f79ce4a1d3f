"""RetinaNet beside each base detector: the same backbone, preprocessing and width."""

from __future__ import annotations

from typing import Any

from mmengine.hub import get_config

FOCAL = {"gamma": 2.0, "alpha": 0.25}
"""γ and α of RetinaNet's sigmoid focal loss (its paper, mmdet's configuration)."""

BACKGROUND_THRESHOLD = 0.1
"""Detections of the teacher up to this score are background; those between it and the threshold of
their class are ignored (chenbinghui1/DSL, configs/fcos_semi: thresholds 0.1 and 0.4)."""

GRADIENT_NORM = 20.0
"""Largest norm of a step's gradients: few positive anchors to divide by make some steps large
(Mean Teacher of Consistent-Teacher's repository)."""


def retinanet(two_stage: dict[str, Any], detector: str) -> dict[str, Any]:
    """RetinaNet of mmdet with the parts that do not depend on the kind of detector.

    Args:
        two_stage: The base detector of the scale (`gbss.configs.detectors`).
        detector: Its name.
    """
    config = get_config("mmdet::_base_/models/retinanet_r50_fpn.py")
    model: dict[str, Any] = config.model.to_dict()
    model["data_preprocessor"] = two_stage["data_preprocessor"]
    model["backbone"] = two_stage["backbone"]
    head = model["bbox_head"]
    head["type"] = "gbss.detection.retina_head.WeightedRetinaHead"
    head["num_classes"] = two_stage["roi_head"]["bbox_head"]["num_classes"]
    head["loss_cls"].update(FOCAL)
    # Boxes as in the same Mean Teacher.
    head["bbox_coder"]["target_stds"] = [0.1, 0.1, 0.2, 0.2]
    head.update(reg_decoded_bbox=True, loss_bbox={"type": "GIoULoss", "loss_weight": 2.0})
    # Anchors that are half inside of an ignored box are ignored, too.
    model["train_cfg"]["assigner"]["ignore_iof_thr"] = 0.5
    if detector == "small":
        _small(model, two_stage)
    return model


def _small(model: dict[str, Any], two_stage: dict[str, Any]) -> None:
    """The levels and channels of the small detector, square anchors of its objects' sizes."""
    model["neck"] = two_stage["neck"]
    channels = two_stage["neck"]["out_channels"]
    head = model["bbox_head"]
    head.update(in_channels=channels, feat_channels=channels, stacked_convs=2)
    # Without it the head, which is not pre-trained, hardly begins within the demo's schedule.
    head["norm_cfg"] = {"type": "GN", "num_groups": 8}
    # Sides of 16, 20 and 25 pixels on the finer level, and of 32, 40 and 51.
    head["anchor_generator"].update(
        octave_base_scale=2,
        ratios=[1.0],
        strides=two_stage["rpn_head"]["anchor_generator"]["strides"],
    )
    model["test_cfg"]["nms_pre"] = 200
