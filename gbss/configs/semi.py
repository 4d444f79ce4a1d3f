"""The semi-supervised detector of a row: its class, views, batch, teacher and schedule."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from gbss.configs import losses, method, one_stage
from gbss.experiments import Row
from gbss.scales import Scale

TYPES = {
    "soft_teacher": "gbss.detection.soft_teacher.SoftTeacher",
    "unbiased_teacher": "gbss.detection.unbiased_teacher.UnbiasedTeacher",
    "supervised": "gbss.detection.supervised.SupervisedDetector",
    "mean_teacher_retinanet": "gbss.detection.mean_teacher.MeanTeacher",
}
"""Name in a row → class; the names are those of `gbss.rows.DETECTORS`."""

UNBIASED_SHARE = 0.4
"""Share of the student in an update of Unbiased Teacher's teacher, relative to Soft Teacher's:
0.0004 against 0.001 in the originals."""

UNBIASED_POSITIVES = 0.25
"""Positive share among Unbiased Teacher's sampled anchors."""


DASO_LENGTH, DASO_FEATURES = 256, 32_768
"""Features in the queue of a class, and in all queues: with many classes they are shorter."""

DEFRCN_RATES = {"rpn": 0.0, "roi": 0.75}
"""λ of DeFRCN's two decoupled layers, in its base training on COCO."""


def model(base: Config, detector: dict[str, Any], row: Row, scale: Scale) -> dict[str, Any]:
    """The student and teacher of a row with the method beside them.

    Args:
        base: mmdet's Soft Teacher configuration.
        detector: The base detector; changed.
        row: The choices.
        scale: Windows, batch and optimizer.
    """
    if row.one_stage:
        detector = one_stage.retinanet(detector, scale.detector)
        head = detector["bbox_head"]
    else:
        head = _two_stage(detector, row)
    settings = base.model.semi_train_cfg.to_dict() | method.semi_train_settings(row, scale)
    beside = method.method(row, scale, head["num_classes"])
    if row.pseudo_labels == "daso":
        beside["daso"] = _daso(row, scale, head)
    return {
        "type": TYPES[row.detector],
        "method": beside,
        "detector": detector,
        "data_preprocessor": {
            "type": "MultiBranchDataPreprocessor",
            "data_preprocessor": detector["data_preprocessor"],
        },
        "semi_train_cfg": settings,
        "semi_test_cfg": {"predict_on": "teacher"},
    }


def _two_stage(detector: dict[str, Any], row: Row) -> dict[str, Any]:
    """Changes the parts of Faster R-CNN that a row replaces; returns its box head."""
    detector["roi_head"]["type"] = "gbss.detection.roi_head.RoIHead"
    head = detector["roi_head"]["bbox_head"]
    head["type"] = "gbss.detection.bbox_head.WeightedBBoxHead"
    head |= losses.box_head(row, head["num_classes"])
    if row.decoupling == "defrcn":
        levels = detector["neck"]["num_outs"]
        detector["rpn_head"] |= {
            "type": "gbss.detection.decoupling.DecoupledRPNHead",
            "levels": levels,
            "rate": DEFRCN_RATES["rpn"],
        }
        detector["roi_head"] |= {
            "type": "gbss.detection.decoupling.DecoupledRoIHead",
            "rate": DEFRCN_RATES["roi"],
        }
    if row.detector == "unbiased_teacher":
        detector["train_cfg"]["rpn"]["sampler"]["pos_fraction"] = UNBIASED_POSITIVES
    return head


def _daso(row: Row, scale: Scale, head: dict[str, Any]) -> dict[str, Any]:
    classes = head["num_classes"]
    return {
        "type": "gbss.losses.daso.Daso",
        "classes": classes,
        # mmdet's default where the base detector names no other.
        "features": head.get("fc_out_channels", 1024),
        "warmup": method.Windows.of(row, scale).thresholds_warmup,
        "length": max(1, min(DASO_LENGTH, DASO_FEATURES // classes)),
    }


def teacher_hook(row: Row, scale: Scale) -> dict[str, Any]:
    """What updates the teacher."""
    share = 1 - scale.optimizer.teacher_momentum
    if row.detector != "unbiased_teacher":
        return {"type": "MeanTeacherHook", "momentum": share}
    return {
        "type": "gbss.detection.unbiased_teacher.BurnInTeacherHook",
        "burn_in": method.Windows.of(row, scale).burn_in,
        "momentum": UNBIASED_SHARE * share,
    }


def schedulers(row: Row, scale: Scale) -> list[dict[str, Any]]:
    """The learning rate: warm-up, then the scale's steps; Unbiased Teacher's stays constant."""
    schedule = scale.schedule
    decay = {
        "type": "MultiStepLR",
        "by_epoch": False,
        "milestones": list(schedule.decay) if row.detector != "unbiased_teacher" else [],
        "gamma": 0.1,
    }
    if schedule.warmup <= 1:
        # mmengine's LinearLR of one step would never leave its first, tiny factor.
        return [decay]
    warmup = {"type": "LinearLR", "by_epoch": False, "start_factor": 0.001}
    return [warmup | {"begin": 0, "end": schedule.warmup}, decay]
