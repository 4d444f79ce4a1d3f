"""Logits and labels → class-to-class gradient matrix, and its running mean over training.

Notation of this folder: n foreground classes, C = n + 1 columns, background last; logits z,
p = softmax(z); label weights u. Entry [i, k] of a matrix is the gradient on logit i that samples
of class k cause: the paper's orientation (supplement, section 2), the transpose of the released
code's.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from gbss.imbalance.processes import sum_over_processes
from gbss.imbalance.variant import MOMENTUM, Variant, check_range, check_variant

Branch = Literal["labeled", "pseudo"]
BRANCHES: tuple[Branch, Branch] = ("labeled", "pseudo")

RELEASE_SHIFT = 1e-5
"""Added by the released code to every probability before the matrix is computed."""

RELEASE_CHUNK = 64
"""Rows per chunk of the released code, which leaves an incomplete last chunk out."""


@torch.no_grad()
def gradient_matrix(
    logits: Tensor,
    labels: Tensor,
    label_weights: Tensor | None = None,
    *,
    focal_gamma: float | None = None,
    variant: Variant = "paper",
) -> Tensor:
    """Mean gradient of the softmax loss on logit i, caused by the samples of class k.

    With one-hot targets the gradient of sample n is c_n (p_n - onehot(y_n)), where
    c = u for cross-entropy and c = u ((1-p)^g - g (1-p)^(g-1) p log p), p = p_{n,y}, for
    focal loss (1-p)^g CE. Rows are added up per label: O(N C) work, O(C²) memory.
    Source: supplement, eq. 1; closed form derived from it.

    Args:
        logits: (N, C), background last; half precision is computed in float32. N may be 0.
        labels: (N,) int64 in 0..C-1.
        label_weights: (N,) factor of each sample's loss; None: 1.
        focal_gamma: None for cross-entropy, else the focal exponent g ≥ 0.
        variant: ``release`` shifts probabilities by 1e-5, takes the focal slope of g = 1 for any
            exponent, and leaves the last N mod 64 samples out of the off-diagonal entries.

    Returns:
        (C, C), sum over samples divided by N (zeros for N = 0). Each column sums to 0 in exact
        arithmetic; the column of a class without samples is exactly 0.

    Raises:
        GbssError: focal_gamma < 0 or an unknown variant.
    """
    check_variant("gradient_matrix", variant)
    if focal_gamma is not None:
        check_range("gradient_matrix: focal_gamma", focal_gamma, 0.0, fix="use an exponent ≥ 0")
    if variant == "release":
        return _release_matrix(logits, labels, label_weights, focal=focal_gamma is not None)
    rows = _at_least_float32(logits).softmax(1)
    chosen = labels[:, None]
    p_label = rows.gather(1, chosen)
    # 1 - p as the sum of the others: exact where p rounds to 1.
    rest = rows.scatter_(1, chosen, 0.0).sum(1, keepdim=True)
    slope = _slope(p_label, rest, focal_gamma)
    if label_weights is not None:
        slope = slope * label_weights[:, None].to(slope.dtype)
    rows.mul_(slope).scatter_(1, chosen, -slope * rest)
    return _mean_by_class(rows, labels)


@torch.no_grad()
def matrix_of_gradients(
    gradients: Tensor,
    labels: Tensor,
    label_weights: Tensor | None = None,
    *,
    classes: int | None = None,
) -> Tensor:
    """`gradient_matrix` for any loss, from the gradients of its samples.

    Args:
        gradients: (N, C) gradient of each sample's loss on its logits, background last; fewer
            columns where the last classes have no logit, their rows are then 0.
        labels: (N,) int64 in 0..C-1.
        label_weights: (N,) factor of each sample's loss; None: 1.
        classes: C; None: as many as there are columns.

    Returns:
        (C, C), entry [i, k] = mean gradient on logit i caused by samples of class k.
    """
    rows = _at_least_float32(gradients)
    rows = rows.clone() if label_weights is None else rows * label_weights[:, None].to(rows.dtype)
    return _mean_by_class(rows, labels, classes)


def positive_negative(matrix: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Splits a matrix into the two forces that act on each logit.

    Args:
        matrix: (C, C) gradient matrix.
        weights: (C,) class weights w of the causing classes; None: 1.

    Returns:
        Two (C,) tensors: |G_ii|, and Σ_{k≠i} w_k G_ik.
    """
    # No matrix product: automatic mixed precision would compute that in half precision.
    others = matrix.clone() if weights is None else matrix * weights
    others.diagonal().zero_()
    return matrix.diagonal().abs(), others.sum(1)


class GradientStatistics(nn.Module):
    """Running gradient matrices of the labeled and the pseudo branch, equal on all processes.

    `observe` collects within a step; `step` reduces over the processes (one collective) and
    updates: a plain mean over the first ``warmup`` updates, then
    G ← momentum·G + (1 - momentum)·batch. No host synchronisation. A branch without samples
    keeps its matrix, as does one whose batch matrix is not finite; ``skipped`` counts the latter.

    Args:
        classes: C = n + 1.
        warmup: Number of updates that form a plain mean.
        momentum: Share of the old matrix after that (the released code's value by default).
        pseudo_weight: Factor of the pseudo branch in `matrix`: the weight of the unlabeled loss.
        variant: ``release`` adds the processes' means up instead of taking the mean over all
            samples, and updates one matrix twice per step, labeled first.
    """

    running: Tensor
    updates: Tensor
    skipped: Tensor
    _pending: Tensor

    def __init__(
        self,
        classes: int,
        *,
        warmup: int,
        momentum: float = MOMENTUM,
        pseudo_weight: float = 4.0,
        variant: Variant = "paper",
    ) -> None:
        super().__init__()
        check_variant("GradientStatistics", variant)
        check_range("GradientStatistics: warmup", warmup, 0, fix="use a number of iterations")
        check_range("GradientStatistics: momentum", momentum, 0, 1, fix="use a share, as 0.999")
        self.classes = classes
        self.warmup = warmup
        self.momentum = momentum
        self.pseudo_weight = pseudo_weight
        self.variant = variant
        self.register_buffer("running", torch.zeros(2, classes, classes))
        self.register_buffer("updates", torch.zeros(2, dtype=torch.long))
        self.register_buffer("skipped", torch.zeros(2, dtype=torch.long))
        # Per branch the summed matrix and, last, the number of samples: one collective for all.
        # Empty between steps, hence not in the checkpoint.
        pending = torch.zeros(2, classes * classes + 1)
        self.register_buffer("_pending", pending, persistent=False)

    @torch.no_grad()
    def observe(
        self, branch: Branch, matrix: Tensor, samples: int, divisor: float | None = None
    ) -> None:
        """Adds one batch of a branch to the current step.

        Args:
            branch: Where the samples come from.
            matrix: (C, C) mean over the batch, from one of the functions above.
            samples: Number N of samples in the batch.
            divisor: What the batch counts in the mean over batches and processes, for losses
                that are not divided by N (not in ``release``); None: N.
        """
        index = BRANCHES.index(branch)
        factor = samples if self.variant == "paper" else min(samples, 1)
        total = self._pending[index, :-1].view(self.classes, self.classes)
        # Not `add_` with a factor, which rounds once: two processes round the products, too.
        total.add_(matrix.to(total.dtype) * factor)
        self._pending[index, -1] += samples if divisor is None else divisor

    @torch.no_grad()
    def step(self) -> None:
        """Reduces what was observed over the processes and updates the running matrices."""
        sum_over_processes(self._pending)
        sums, samples = self._pending[:, :-1], self._pending[:, -1]
        # In place and in few passes: for 1,200 classes this is the method's largest cost.
        finite = sums.sum(1).isfinite()
        used = (samples > 0) & finite
        share = torch.where(self.updates < self.warmup, 1 / (self.updates + 1), 1 - self.momentum)
        share = torch.where(used, share, 0.0)
        sums.masked_fill_(~used[:, None], 0.0)
        keep = 1 - share
        if self.variant == "release":
            keep = keep.prod().expand(2)
            share = torch.stack([share[0] * (1 - share[1]), share[1]])
        if self.variant == "paper":
            share = share / samples.clamp(min=1)
        self.running.flatten(1).mul_(keep[:, None]).addcmul_(sums, share[:, None])
        self.updates += used
        self.skipped += (samples > 0) & ~finite
        self._pending.zero_()

    def matrix(self) -> Tensor:
        """(C, C): labeled branch + ``pseudo_weight`` times pseudo branch."""
        return torch.add(self.running[0], self.running[1], alpha=self.pseudo_weight)


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _slope(p: Tensor, rest: Tensor, gamma: float | None) -> Tensor:
    """(1-p)^g - g (1-p)^(g-1) p log p with rest = 1-p, finite in [0, 1]; 1 for cross-entropy."""
    if gamma is None:
        return torch.ones_like(p)
    smallest = torch.finfo(p.dtype).tiny
    log_p = torch.where(rest < 0.5, (-rest).log1p(), p.clamp(min=smallest).log())
    # -log(p) / (1-p) tends to 1; written so that gamma < 1 does not divide by 0.
    ratio = torch.where(rest > 0, -log_p / rest, 1.0)
    return rest**gamma * (1 + gamma * p * ratio)


def _mean_by_class(rows: Tensor, labels: Tensor, classes: int | None = None) -> Tensor:
    """(N, columns) gradients, overwritten → (C, C): column k is the sum over labels k, over N.

    Rows of classes without a column are 0.
    """
    columns = rows.shape[1]
    classes = columns if classes is None else classes
    rows.div_(max(len(rows), 1))
    by_class = rows.new_zeros(classes, columns).index_add_(0, labels, rows)
    return functional.pad(by_class, (0, classes - columns)).T


def _release_matrix(
    logits: Tensor, labels: Tensor, label_weights: Tensor | None, *, focal: bool
) -> Tensor:
    """The matrix as the released code computes it, up to its constant factor 100.

    Fewer than 64 samples stop the released code; here all of them count.
    """
    shifted = _at_least_float32(logits).softmax(1) + RELEASE_SHIFT
    chosen = labels[:, None]
    p = shifted.gather(1, chosen)
    slope = (1 - p) - p * p.log() if focal else torch.ones_like(p)
    if label_weights is not None:
        slope = slope * label_weights[:, None].to(slope.dtype)
    rows = shifted * slope
    if len(rows) > RELEASE_CHUNK:
        rows[len(rows) // RELEASE_CHUNK * RELEASE_CHUNK :] = 0
    rows.scatter_(1, chosen, -slope * (1 - p))
    return _mean_by_class(rows, labels)
