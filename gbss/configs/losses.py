"""The classification loss of a row, and what it needs of the box head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gbss.configs import one_stage
from gbss.experiments import Row

FOCAL_EXPONENT = {
    "soft_teacher": 1.0,
    "supervised": 1.0,
    "unbiased_teacher": 1.5,
    "mean_teacher_retinanet": one_stage.FOCAL["gamma"],
}
"""Detector → exponent of its focal loss: the released code's on every data set, and Unbiased
Teacher's and RetinaNet's own."""

C2AM_SCALE = 30.0
"""s of C2AM, the temperature of its classifier."""


def _focal(row: Row, classes: int) -> dict[str, Any]:
    loss = {
        "type": "gbss.losses.softmax_focal.SoftmaxFocalLoss",
        "gamma": FOCAL_EXPONENT[row.detector],
    }
    return {"loss_cls": loss}


def _eqlv2(row: Row, classes: int) -> dict[str, Any]:
    return {"loss_cls": {"type": "gbss.losses.eqlv2.EQLv2Loss", "classes": classes}}


def _logit_adjustment(row: Row, classes: int) -> dict[str, Any]:
    loss = {"type": "gbss.losses.logit_adjustment.LogitAdjustmentLoss", "classes": classes}
    form = "post_hoc" if row.loss == "logit_adjustment_post_hoc" else "loss"
    return {"loss_cls": loss | {"form": form}}


def _c2am(row: Row, classes: int) -> dict[str, Any]:
    return {
        "loss_cls": {"type": "gbss.losses.c2am.C2AMLoss", "scale": C2AM_SCALE},
        "cls_predictor_cfg": {"type": "NormedLinear", "temperature": C2AM_SCALE, "bias": False},
    }


def _seesaw(row: Row, classes: int) -> dict[str, Any]:
    return {"loss_cls": {"type": "gbss.detection.seesaw.SeesawLoss", "classes": classes}}


BOX_HEADS: Mapping[str, Callable[[Row, int], dict[str, Any]]] = {
    # Soft Teacher's own, as mmdet's configuration has it.
    "cross_entropy": lambda row, classes: {},
    "focal": _focal,
    "eqlv2": _eqlv2,
    "logit_adjustment": _logit_adjustment,
    "logit_adjustment_post_hoc": _logit_adjustment,
    "c2am": _c2am,
    "seesaw": _seesaw,
}
"""Name in a row → settings of the box head; the names are those of `gbss.rows.LOSSES`."""


def box_head(row: Row, classes: int) -> dict[str, Any]:
    """What a row's loss changes in the settings of the box head.

    Args:
        row: The choices.
        classes: n, without the background.
    """
    return BOX_HEADS[row.loss](row, classes)


def focal_exponent(row: Row) -> float | None:
    """Exponent of the loss for the gradient matrix; None: not focal."""
    return FOCAL_EXPONENT[row.detector] if row.loss == "focal" else None


def focal_alpha(row: Row) -> float | None:
    """α of a one-stage detector's sigmoid focal loss for the gradient matrix; None: two stages."""
    return one_stage.FOCAL["alpha"] if row.one_stage else None
