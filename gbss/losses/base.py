"""What every classification loss does: weights, reduction, and what others may ask of it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class ClassificationLoss(nn.Module, ABC):
    """A loss with a term per sample, over C = n + 1 columns with the background last.

    A loss says by `terms` what a sample costs. The rest is here: sample weights, reduction, and
    what a detector may ask. What a loss does not need it leaves as it is.

    Args:
        loss_weight: Factor of the loss.
    """

    custom_cls_channels = False
    """Whether scores come from `get_activation` instead of a softmax (mmdet's name)."""

    custom_activation = False
    """Whether it has an accuracy of its own (mmdet's name)."""

    closed_form = False
    """Whether `gbss.imbalance.gradients.gradient_matrix` knows its gradients."""

    prior_bias: float | None = None
    """First bias of the classifier; None: 0."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    @abstractmethod
    def terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N,) losses of the samples, unweighted. It changes nothing: equal inputs, equal terms.

        Args:
            logits: (N, C), at least float32.
            labels: (N,) int64 in 0..C-1.
        """

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
            logits: (N, C); half precision is computed in float32. N may be 0.
            labels: (N,) int64 in 0..C-1.
            weight: (N,) factor of each sample's loss; None: 1.
            avg_factor: Divisor; None: N.
            reduction_override: ``none``: the (N,) losses; ``sum``: undivided; None or ``mean``.
        """
        # Automatic mixed precision would take single operations back to half precision.
        with torch.autocast(logits.device.type, enabled=False):
            logits = at_least_float32(logits)
            losses = self.loss_weight * self.terms(logits, labels)
            if weight is not None:
                losses = losses * weight
            if self.training:
                self.observe(logits.detach(), labels, weight)
        if reduction_override == "none":
            return losses
        total = losses.sum()
        if reduction_override == "sum":
            return total
        return total / (max(len(logits), 1) if avg_factor is None else avg_factor)

    def observe(self, logits: Tensor, labels: Tensor, weight: Tensor | None) -> None:
        """Takes note of a batch for `step`; used by losses that depend on earlier batches."""

    def step(self) -> None:
        """Ends a training step; to be called once per step on all processes."""

    def set_prior(self, counts: Tensor) -> None:
        """Tells the (n,) labeled boxes of each foreground class; once, before training."""

    def look_at(self, classifier: Tensor) -> None:
        """Shows the (C, d) weight of the classifier that the next logits come from."""

    def get_cls_channels(self, num_classes: int) -> int:
        """Outputs of the classifier for n foreground classes (mmdet's name)."""
        return num_classes + 1

    def get_activation(self, logits: Tensor) -> Tensor:
        """(N, C) scores of logits, background last (mmdet's name)."""
        return logits.softmax(-1)

    def final_logits(self, logits: Tensor) -> Tensor:
        """(N, C) logits of results. Losses with a post-hoc form have others for pseudo labels."""
        return logits

    def logit_gradients(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N, C) gradients of each sample's term on its logits, without weights and reduction."""
        with torch.enable_grad(), torch.autocast(logits.device.type, enabled=False):
            logits = at_least_float32(logits.detach()).requires_grad_()
            (found,) = torch.autograd.grad(self.terms(logits, labels).sum(), logits)
        return self.loss_weight * found


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision as float32; everything else as it is."""
    return values if values.dtype == torch.float64 else values.float()
