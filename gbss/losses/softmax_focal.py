"""Softmax focal loss: what the released code and Unbiased Teacher have for cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gbss.errors import fail
from gbss.losses.base import ClassificationLoss


class SoftmaxFocalLoss(ClassificationLoss):
    """Focal loss over a softmax: (1 - p_y)^g · (-log p_y), p = softmax(z).

    Source: Lin et al., Focal Loss for Dense Object Detection, eq. 4, with a softmax; the released
    code has g = 1 on every data set, Unbiased Teacher g = 1.5.

    Args:
        gamma: The exponent g ≥ 0; 0 is cross-entropy.
        loss_weight: Factor of the loss.

    Raises:
        GbssError: g < 0.
    """

    closed_form = True

    def __init__(self, gamma: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight)
        if not gamma >= 0:
            fix = "use an exponent of 0 or more"
            raise fail("SoftmaxFocalLoss: gamma", found=str(gamma), expected="≥ 0", fix=fix)
        self.gamma = gamma

    def terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N,) losses of the samples."""
        log_p = -functional.cross_entropy(logits, labels, reduction="none")
        # 1 - p without cancellation; above 0, where an exponent below 1 has an infinite slope.
        rest = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).tiny)
        return rest**self.gamma * -log_p
