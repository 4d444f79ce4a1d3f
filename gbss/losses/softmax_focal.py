"""Softmax focal loss: what the released code has in the place of cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gbss.errors import fail


class SoftmaxFocalLoss(nn.Module):
    """Focal loss over a softmax: (1 - p_y)^g · (-log p_y), p = softmax(z).

    Source: Lin et al., Focal Loss for Dense Object Detection, eq. 4, with a softmax; the released
    code has g = 1 on every data set.

    Args:
        gamma: The exponent g ≥ 0; 0 is cross-entropy.
        loss_weight: Factor of the loss.

    Raises:
        GbssError: g < 0.
    """

    def __init__(self, gamma: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not gamma >= 0:
            fix = "use an exponent of 0 or more"
            raise fail("SoftmaxFocalLoss: gamma", found=str(gamma), expected="≥ 0", fix=fix)
        self.gamma = gamma
        self.loss_weight = loss_weight

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The sum over samples divided by ``avg_factor``.

        Args:
            logits: (N, C).
            labels: (N,) int64 in 0..C-1.
            weight: (N,) factor of each sample's loss; None: 1.
            avg_factor: Divisor; None: N.
            reduction_override: ``none``: the (N,) losses; ``sum``: undivided; None or ``mean``.
        """
        log_p = -functional.cross_entropy(logits.float(), labels, reduction="none")
        # 1 - p without cancellation; above 0, where an exponent below 1 has an infinite slope.
        rest = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).tiny)
        losses = self.loss_weight * rest**self.gamma * -log_p
        if weight is not None:
            losses = losses * weight
        if reduction_override == "none":
            return losses
        total = losses.sum()
        if reduction_override == "sum":
            return total
        return total / (max(len(logits), 1) if avg_factor is None else avg_factor)
