"""The base detectors: mmdet's Faster R-CNN, and what a scale changes in it."""

from __future__ import annotations

from typing import Any

from mmengine.hub import get_config


def resnet50(classes: int, backbone: str) -> dict[str, Any]:
    """Faster R-CNN with ResNet-50 and FPN as Soft Teacher trains it.

    Caffe-style weights with frozen batch norm, images in BGR with unit scale (the original's
    ``configs/soft_teacher/base.py``).

    Args:
        classes: Number of foreground classes.
        backbone: File with the pre-trained backbone.
    """
    model = _faster_rcnn(classes, backbone)
    model["data_preprocessor"].update(
        mean=[103.530, 116.280, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False
    )
    model["backbone"].update(style="caffe", norm_cfg={"type": "BN", "requires_grad": False})
    return model


def small(classes: int, backbone: str) -> dict[str, Any]:
    """A detector that learns on one CPU core: three narrow stages, two levels, few regions.

    Operations on tiny tensors dominate its time, so there is one of everything: one anchor per
    cell, two FPN levels, 48 regions per image, one sampling point per bin of a region.

    Args:
        classes: Number of foreground classes.
        backbone: File with the pre-trained backbone.
    """
    model = _faster_rcnn(classes, backbone)
    strides, channels = [8, 16], 64
    model["data_preprocessor"]["pad_size_divisor"] = 16
    model["backbone"].update(
        small_backbone(), frozen_stages=1, norm_cfg={"type": "BN", "requires_grad": False}
    )
    model["neck"].update(in_channels=[64, 128], out_channels=channels, num_outs=2)
    model["rpn_head"].update(in_channels=channels, feat_channels=channels)
    model["rpn_head"]["anchor_generator"].update(scales=[3], ratios=[1.0], strides=strides)
    extractor = model["roi_head"]["bbox_roi_extractor"]
    extractor.update(out_channels=channels, featmap_strides=strides, finest_scale=28)
    extractor["roi_layer"].update(output_size=5, sampling_ratio=1)
    model["roi_head"]["bbox_head"].update(
        in_channels=channels, roi_feat_size=5, fc_out_channels=128
    )
    train, test = model["train_cfg"], model["test_cfg"]
    train["rpn"]["sampler"]["num"] = 64
    train["rpn_proposal"].update(nms_pre=200, max_per_img=100)
    train["rcnn"]["sampler"]["num"] = 48
    test["rpn"].update(nms_pre=200, max_per_img=100)
    return model


def small_backbone() -> dict[str, Any]:
    """The arguments of mmdet's ResNet for the small detector: strides 4, 8 and 16."""
    return {
        "depth": 18,
        "base_channels": 32,
        "num_stages": 3,
        "strides": (1, 2, 2),
        "dilations": (1, 1, 1),
        "out_indices": (1, 2),
    }


def _faster_rcnn(classes: int, backbone: str) -> dict[str, Any]:
    config = get_config("mmdet::_base_/models/faster-rcnn_r50_fpn.py")
    model: dict[str, Any] = config.model.to_dict()
    model["backbone"]["init_cfg"] = {
        "type": "Pretrained",
        "checkpoint": backbone,
        "prefix": "backbone.",
    }
    model["roi_head"]["bbox_head"]["num_classes"] = classes
    return model


DETECTORS = {"resnet50": resnet50, "small": small}
"""Name in a scale file → function from number of classes and backbone file to a model."""
