"""Class weights w → a score threshold per class for pseudo labels (GbT)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gbss.imbalance.processes import gather_rows
from gbss.imbalance.variant import Variant, check_range, check_variant

HORIZON = 1000
"""Detections of a class that form its mean score; afterwards each new one counts 1/1000."""


class ClassThresholds(nn.Module):
    """Thresholds θ_i = θ / w_i within [floor, θ], and the running mean score s̄_i of each class.

    A class that is pushed down more than up has w_i > 1, and so gets its pseudo labels at lower
    scores. As θ_i stays within [floor, θ], bounding w first makes no difference.

    In the ``release`` variant θ_i = min(θ s̄_i / mean(s̄), θ / w_i), within [floor, θ], where s̄_i
    is the sum of the first 1000 scores over 1000, then their exponential mean; without weights
    only the first term (its configurations for LVIS and Objects365). Processes exchange their
    scores in the order of their ranks, so all have the same thresholds; the released code
    leaves each process its own.

    Args:
        classes: n, without the background.
        warmup: Iterations with θ_i = θ (supplement: 4,000 on COCO, 16,000 elsewhere).
        base: θ, the detector's own threshold (Soft Teacher: 0.9).
        floor: Smallest threshold; the paper is silent, the released code's value.
        variant: See above.
    """

    score_sum: Tensor
    seen: Tensor

    def __init__(
        self,
        classes: int,
        *,
        warmup: int,
        base: float = 0.9,
        floor: float = 0.5,
        variant: Variant = "paper",
    ) -> None:
        super().__init__()
        check_variant("ClassThresholds", variant)
        check_range("ClassThresholds: warmup", warmup, 0, fix="use a number of iterations")
        check_range("ClassThresholds: base", base, 0, 1, fix="use a score, as 0.9")
        check_range("ClassThresholds: floor", floor, 0, base, fix="use a score up to the base")
        self.warmup = warmup
        self.base = base
        self.floor = floor
        self.variant = variant
        self.register_buffer("score_sum", torch.zeros(classes))
        self.register_buffer("seen", torch.zeros(classes, dtype=torch.long))

    @torch.no_grad()
    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Takes in one step's teacher detections, before any is filtered by its score.

        Call once per step on every process, also with no detections.

        Args:
            scores: (M,) in the order in which they count.
            labels: (M,) int64 in 0..n-1.
        """
        rows = gather_rows(torch.stack([scores.double(), labels.double()], 1))
        scores, labels = rows[:, 0], rows[:, 1].long()
        new = torch.zeros_like(self.seen).index_add_(0, labels, torch.ones_like(labels))
        # Of a class's new scores, so many come after the first HORIZON ones: each makes what was
        # before it fade once.
        fading = (new - (HORIZON - self.seen).clamp(min=0)).clamp(min=0)
        order = labels.argsort(stable=True)
        scores, labels = scores[order], labels[order]
        later = new.cumsum(0)[labels] - 1 - torch.arange(len(labels), device=labels.device)
        keep = 1 - 1 / HORIZON
        shares = keep ** torch.minimum(later, fading[labels]) / HORIZON
        added = scores.new_zeros(len(new)).index_add_(0, labels, scores * shares)
        self.score_sum.mul_(keep**fading).add_(added)
        self.seen += new

    def mean_scores(self) -> Tensor:
        """(n,) mean score of each class's detections, for the training log; NaN without any."""
        return self.score_sum / (self.seen / HORIZON).clamp(max=1)

    def forward(self, weights: Tensor | None, iteration: int) -> Tensor:
        """(n,) thresholds of this iteration.

        Args:
            weights: (n + 1,) class weights, background last; None: no GbT. A weight ≤ 0, which
                the direct solution can have, gives θ.
            iteration: Number of the current iteration, from 0.
        """
        thresholds = torch.full_like(self.score_sum, self.base)
        if iteration < self.warmup:
            return thresholds
        if self.variant == "release":
            mean = self.score_sum.mean()
            thresholds = torch.where(mean > 0, self.base * self.score_sum / mean, thresholds)
        if weights is not None:
            positive = weights[:-1].to(thresholds.dtype).clamp(min=torch.finfo(torch.float32).tiny)
            thresholds = torch.minimum(thresholds, self.base / positive)
        return thresholds.clamp(self.floor, self.base)
