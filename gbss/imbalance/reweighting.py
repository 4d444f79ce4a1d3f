"""Gradient matrix → class weights w (GbR) → a factor per sample.

Two solvers of the same linear system, Σ_k w_k G_ik = 0 for every i and Σ_i w_i = n + 1
(supplement, section 2): `direct_weights` and the Jacobi iterate `JacobiWeights`. Notation and
orientation as in `gbss.imbalance.gradients`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gbss.errors import fail
from gbss.imbalance.direct import DirectSolution, DirectWeights, direct_weights
from gbss.imbalance.gradients import BRANCHES, Branch, positive_negative
from gbss.imbalance.processes import sum_over_processes
from gbss.imbalance.variant import (
    MOMENTUM,
    WEIGHT_BOUNDS,
    Variant,
    check_range,
    check_variant,
)

__all__ = [
    "DirectSolution",
    "DirectWeights",
    "JacobiWeights",
    "SampleWeights",
    "direct_weights",
    "jacobi_target",
    "sample_weights",
]

EPSILON = 1e-8
"""Keeps the Jacobi target finite. The released code adds 1e-6 to a matrix 100 times as large."""

RELEASE_BACKGROUND_CAP = 1.0
"""Largest background target of the released code."""


def jacobi_target(
    weights: Tensor,
    matrix: Tensor,
    *,
    bounds: tuple[float, float] = WEIGHT_BOUNDS,
    variant: Variant = "paper",
) -> Tensor:
    """One Jacobi iterate: t_i = (Σ_{k≠i} w_k G_ik + ε w_i) / (|G_ii| + ε), within ``bounds``.

    Without ε it is the system's i-th equation solved for w_i (supplement, section 2); ε is the
    released code's: a class without any gradient keeps its weight, one without samples that
    others push goes to the upper bound.

    Args:
        weights: (C,) current weights.
        matrix: (C, C) gradient matrix, background last.
        bounds: Smallest and largest target.
        variant: ``release`` replaces the background's target by n + 1 - Σ of the others and
            caps it at 1.
    """
    positive, negative = positive_negative(matrix, weights)
    target = (negative + EPSILON * weights) / (positive + EPSILON)
    if variant == "paper":
        return target.clamp(*bounds)
    background = (len(target) - target[:-1].sum()).clamp(bounds[0], RELEASE_BACKGROUND_CAP)
    return torch.cat([target[:-1].clamp(*bounds), background[None]])


class JacobiWeights(nn.Module):
    """Class weights w = (n+1)·softmax(a) with a learnable a, fitted to the Jacobi iterate.

    The optimiser's step on a is what damps the iteration: undamped it can oscillate. The
    softmax renormalises, so w can leave ``bounds`` slightly; `sample_weights` clamps.
    Source: supplement, section 2; loss and constants from the released code.

    Args:
        classes: C = n + 1.
        warmup: Iterations with w = 1 (supplement: 4,000 on COCO, 16,000 elsewhere).
        bounds: Smallest and largest target.
        loss_weight: Factor of the loss. The released code adds its loss once per labeled and,
            times 4, once per unlabeled batch; it sets the speed only, not the solution.
        variant: See `jacobi_target`.
    """

    def __init__(
        self,
        classes: int,
        *,
        warmup: int,
        bounds: tuple[float, float] = WEIGHT_BOUNDS,
        loss_weight: float = 5.0,
        variant: Variant = "paper",
    ) -> None:
        super().__init__()
        check_variant("JacobiWeights", variant)
        check_range("JacobiWeights: warmup", warmup, 0, fix="use a number of iterations")
        _check_bounds("JacobiWeights", bounds)
        self.warmup = warmup
        self.bounds = bounds
        self.loss_weight = loss_weight
        self.variant = variant
        self.a = nn.Parameter(torch.zeros(classes))

    def weights(self, iteration: int) -> Tensor:
        """(C,) weights to use in this iteration, detached; 1 during warm-up."""
        if iteration < self.warmup:
            return torch.ones_like(self.a, requires_grad=False)
        return len(self.a) * self.a.detach().softmax(0)

    def loss(self, matrix: Tensor, iteration: int) -> Tensor:
        """Mean over i of (log t_i - a_i)², a gradient for a alone; 0 during warm-up.

        Args:
            matrix: (C, C) running gradient matrix.
            iteration: Number of the current iteration, from 0.
        """
        # The released code reads w from a at the last warm-up count but fits a only after it.
        first = self.warmup + (self.variant == "release")
        if iteration < first:
            return 0.0 * self.a.sum()
        weights = self.weights(iteration)
        target = jacobi_target(weights, matrix, bounds=self.bounds, variant=self.variant)
        return self.loss_weight * (target.log() - self.a).square().mean()


def _check_bounds(where: str, bounds: tuple[float, float]) -> None:
    if not 0 < bounds[0] <= 1 <= bounds[1] < float("inf"):
        raise fail(
            f"{where}: bounds",
            found=str(bounds),
            expected="0 < lower ≤ 1 ≤ upper",
            fix="use bounds around 1, as (1/3, 5)",
        )


def sample_weights(
    weights: Tensor,
    labels: Tensor,
    *,
    beta: float = 1.0,
    bounds: tuple[float, float] = WEIGHT_BOUNDS,
) -> Tensor:
    """(N,) factors w_{y_n}^β of the samples' losses, w within ``bounds`` (supplement, section 1).

    Args:
        weights: (C,) class weights.
        labels: (N,) int64 in 0..C-1.
        beta: Smoothing: β on labeled samples, 1 on pseudo-labeled ones.
        bounds: Smallest and largest w; they also make every weight positive.
    """
    return weights.clamp(*bounds).pow(beta)[labels]


class SampleWeights(nn.Module):
    """`sample_weights` of both branches over their running mean m, which keeps the loss's scale.

    m (buffer ``mean``, 1 at first) ← momentum·m + (1 - momentum)·mean of the factors. The paper is
    silent on m; it and its momentum are the released code's.

    Args:
        beta: Smoothing β ≥ 0 of the labeled branch (supplement: 0.5).
        bounds: Smallest and largest class weight.
        momentum: Share of the old mean.
        variant: ``paper``: one update per step, in `step`, over both branches and all processes.
            ``release``: each process by itself, before each branch's factors are used.
    """

    mean: Tensor
    _pending: Tensor

    def __init__(
        self,
        *,
        beta: float = 0.5,
        bounds: tuple[float, float] = WEIGHT_BOUNDS,
        momentum: float = MOMENTUM,
        variant: Variant = "paper",
    ) -> None:
        super().__init__()
        check_variant("SampleWeights", variant)
        check_range("SampleWeights: beta", beta, 0, fix="use β ≥ 0; 0 switches reweighting off")
        check_range("SampleWeights: momentum", momentum, 0, 1, fix="use a share, as 0.999")
        _check_bounds("SampleWeights", bounds)
        self.beta = beta
        self.bounds = bounds
        self.momentum = momentum
        self.variant = variant
        self.register_buffer("mean", torch.ones(()))
        # Sum and number of the factors of each branch, so that the order of parts does not matter.
        self.register_buffer("_pending", torch.zeros(2, 2), persistent=False)

    @torch.no_grad()
    def forward(self, weights: Tensor, labels: Tensor, branch: Branch) -> Tensor:
        """(N,) factors w_{y_n}^β / m (β = 1 on pseudo labels), noted for the next `step`."""
        beta = self.beta if branch == "labeled" else 1.0
        factors = sample_weights(weights, labels, beta=beta, bounds=self.bounds)
        pending = self._pending[BRANCHES.index(branch)]
        pending[0] += factors.sum()
        pending[1] += len(factors)
        if self.variant == "release":
            self._update()
        return factors / self.mean

    def step(self) -> None:
        """Ends a training step: updates m from all processes (nothing is left in ``release``)."""
        if self.variant == "paper":
            sum_over_processes(self._pending)
            self._update()

    @torch.no_grad()
    def _update(self) -> None:
        total, count = self._pending.sum(0).unbind()
        share = torch.where(count > 0, 1 - self.momentum, 0.0)
        self.mean.lerp_(total / count.clamp(min=1), share)
        self._pending.zero_()
