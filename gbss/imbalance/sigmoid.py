"""The gradient matrix of independent sigmoids: EQLv2's classifier, and one-stage detectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gbss.imbalance.gradients import matrix_of_gradients


@torch.no_grad()
def sigmoid_gradient_matrix(
    logits: Tensor,
    labels: Tensor,
    label_weights: Tensor | None = None,
    *,
    classes: int | None = None,
    gamma: float = 0.0,
    alpha: float | None = None,
) -> Tensor:
    """`gradient_matrix` for independent sigmoids with binary cross-entropy or focal loss.

    A sample costs u_n Σ_i a_i (1 - q_i)^γ (-log q_i): for i = y_n q_i = σ(z_i) and a_i = α, for
    i ≠ y_n q_i = 1 - σ(z_i) and a_i = 1 - α (Lin et al., Focal Loss for Dense Object Detection,
    eq. 5). Its gradient on logit i is -u_n α f(-z_i) for i = y_n, else u_n (1 - α) f(z_i), with
    f(s) = σ(s)^γ (σ(s) + γ σ(-s) log(1 + e^s)); σ(s) for γ = 0. Columns do not sum to 0.

    Args:
        logits: (N, C) with a column for the background, or (N, C - 1) without one: a sample of the
            background then is one of no class.
        labels: (N,) int64 in 0..C-1, the background is C - 1 in both cases.
        label_weights: (N,) factor of each sample's loss; None: 1.
        classes: C; None: as many as there are columns.
        gamma: Focal exponent γ ≥ 0; 0: cross-entropy.
        alpha: α; None: no factor in either case.

    Returns:
        (C, C), entry [i, k] = mean gradient on logit i caused by samples of class k. A background
        without a column has a row of zeros: there is no equation for it.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    positive, negative = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    rows = _slope(logits, gamma).mul_(negative)
    chosen = labels.clamp(max=logits.shape[1] - 1)[:, None]
    own = -positive * _slope(-logits.gather(1, chosen), gamma)
    present = (labels < logits.shape[1])[:, None]
    rows.scatter_(1, chosen, torch.where(present, own, rows.gather(1, chosen)))
    return matrix_of_gradients(rows, labels, label_weights, classes=classes)


def _slope(logits: Tensor, gamma: float) -> Tensor:
    """The f(s) of `sigmoid_gradient_matrix`, a new tensor."""
    p = logits.sigmoid()
    if gamma == 0:
        return p
    return p**gamma * (p + gamma * (-logits).sigmoid() * functional.softplus(logits))
