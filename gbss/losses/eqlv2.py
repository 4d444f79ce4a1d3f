"""EQLv2: sigmoid cross-entropy that balances each class's positive and negative gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from gbss.imbalance.processes import sum_over_processes
from gbss.imbalance.variant import check_range
from gbss.losses.base import ClassificationLoss

START = 100.0
"""Ratio of positive to negative gradients before any was seen: all weights are then 1."""

EPSILON = 1e-10


class EQLv2Loss(ClassificationLoss):
    """Equalization loss v2: L_n = Σ_j v_nj BCE(z_nj, [j = y_n]).

    v_nj = q_j for j = y_n, else r_j, with r_j = 1 / (1 + exp(-γ (g_j - μ))), q_j = 1 + α (1 - r_j)
    and g_j = Σ positive / Σ negative gradients v |σ(z) - t| of all training so far. The background
    column is an objectness turned round: its weights are 1, and scores are σ(z_j) (1 - σ(z_bg)).

    Source: Tan et al., Equalization Loss v2, eq. 4 to 8, and
    https://github.com/tztztztztz/eqlv2 (mmdet/models/losses/eqlv2.py). There gradients are added
    up after every batch; here once per step, over all its batches and processes (0060).

    Args:
        classes: n, without the background.
        gamma: γ, steepness.
        mu: μ, ratio at which the negatives of a class count half.
        alpha: α, how much more positives count where negatives count less.
        prior: First probability of every column, set by the classifier's bias.
        loss_weight: Factor of the loss.

    Raises:
        GbssError: An argument is out of range.
    """

    custom_cls_channels = True

    positive: Tensor
    negative: Tensor
    ratio: Tensor
    _pending: Tensor

    def __init__(
        self,
        classes: int,
        *,
        gamma: float = 12.0,
        mu: float = 0.8,
        alpha: float = 4.0,
        prior: float = 0.001,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        for name, value in (("gamma", gamma), ("mu", mu), ("alpha", alpha)):
            check_range(f"EQLv2Loss: {name}", value, 0, fix="use a number of 0 or more")
        check_range("EQLv2Loss: prior", prior, 1e-9, 0.5, fix="use a small probability, as 0.001")
        self.gamma = gamma
        self.mu = mu
        self.alpha = alpha
        self.prior_bias = -math.log((1 - prior) / prior)
        # Sums over a whole training, to which single batches must still add.
        self.register_buffer("positive", torch.zeros(classes, dtype=torch.float64))
        self.register_buffer("negative", torch.zeros(classes, dtype=torch.float64))
        self.register_buffer("ratio", torch.full((classes,), START))
        # Empty between steps, hence not in the checkpoint.
        pending = torch.zeros(2, classes, dtype=torch.float64)
        self.register_buffer("_pending", pending, persistent=False)

    def weights(self) -> tuple[Tensor, Tensor]:
        """(C,) weights q of positives and r of negatives, the background's 1."""
        negatives = torch.sigmoid(self.gamma * (self.ratio - self.mu))
        negatives = torch.cat([negatives, negatives.new_ones(1)])
        return 1 + self.alpha * (1 - negatives), negatives

    def terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N,) losses of the samples."""
        positives, negatives = (each.to(logits.dtype) for each in self.weights())
        chosen = logits.gather(1, labels[:, None])[:, 0]
        others = (functional.softplus(logits) * negatives).sum(1)
        own = positives[labels] * functional.softplus(-chosen)
        return others + own - negatives[labels] * functional.softplus(chosen)

    @torch.no_grad()
    def observe(self, logits: Tensor, labels: Tensor, weight: Tensor | None) -> None:
        """Adds up the gradients of a batch."""
        positives, negatives = self.weights()
        scores = logits.sigmoid()
        chosen = labels[:, None]
        own = positives[labels] * (-logits.gather(1, chosen)[:, 0]).sigmoid()
        scores.scatter_(1, chosen, 0.0)
        if weight is not None:
            own, scores = own * weight, scores * weight[:, None]
        by_class = torch.zeros_like(negatives).index_add_(0, labels, own.to(negatives.dtype))
        self._pending[0] += by_class[:-1]
        self._pending[1] += (scores.sum(0) * negatives)[:-1]

    @torch.no_grad()
    def step(self) -> None:
        """Takes the step's gradients of all processes into the ratios."""
        sum_over_processes(self._pending)
        # A batch that is not finite would stay in the sums for ever.
        added = torch.where(self._pending.isfinite().all(), self._pending, 0.0)
        self.positive += added[0]
        self.negative += added[1]
        seen = (self.positive + self.negative) > 0
        ratio = self.positive / (self.negative + EPSILON)
        self.ratio.copy_(torch.where(seen, ratio, START))
        self._pending.zero_()

    def get_activation(self, logits: Tensor) -> Tensor:
        """(N, C) scores σ(z_j) (1 - σ(z_bg)), and σ(z_bg) last."""
        scores = logits.sigmoid()
        foreground = scores[..., :-1] * (-logits[..., -1:]).sigmoid()
        return torch.cat([foreground, scores[..., -1:]], -1)
