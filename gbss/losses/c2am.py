"""C2AM: a cosine classifier with margins from the norms of its weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gbss.errors import fail
from gbss.imbalance.variant import check_range
from gbss.losses.base import ClassificationLoss


class C2AMLoss(ClassificationLoss):
    """Category-aware angular margin loss: CE over s cosθ_y and s cos(θ_j + m_yj), j ≠ y.

    z_j = s cosθ_j is the output of a cosine classifier without bias; m_yj = max(0, α / π ·
    log(‖W_y‖ / ‖W_j‖)), norms without gradient. A class whose weights have a smaller norm, as a
    rare class has, is pushed away less. An angle θ_j + m_yj beyond π counts as π.

    Source: Wang et al., C2AM Loss (CVPR 2022); no code was published, and the paper does not say
    what becomes of the background: it is a class with a margin of 0 to and from it (0062).

    Args:
        scale: s, equal to the classifier's temperature.
        alpha: α ≥ 0.
        background_margin: Whether the background has margins, too.
        loss_weight: Factor of the loss.

    Raises:
        GbssError: An argument is out of range, or `look_at` was not called.
    """

    norms: Tensor

    def __init__(
        self,
        scale: float = 30.0,
        *,
        alpha: float = 0.5,
        background_margin: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        check_range("C2AMLoss: scale", scale, 1e-9, fix="use a factor above 0, as 30")
        check_range("C2AMLoss: alpha", alpha, 0, fix="use a factor of 0 or more, as 0.5")
        self.scale = scale
        self.alpha = alpha
        self.background_margin = background_margin
        self.register_buffer("norms", torch.zeros(0), persistent=False)

    @torch.no_grad()
    def look_at(self, classifier: Tensor) -> None:
        """Takes the (C,) norms of the classifier's weights (C, d)."""
        # A copy: an optimizer's step must not reach into a graph that is still needed.
        self.norms = at_least_tiny(classifier.float().norm(dim=1))

    def margins(self, labels: Tensor) -> Tensor:
        """(N, C) m_yj of every sample, 0 in the column of its label."""
        if not len(self.norms):
            raise fail(
                "C2AMLoss",
                found="no weights of a classifier",
                expected="`look_at` before the loss",
                fix="use it in a box head of gbss.detection",
            )
        logs = self.norms.log()
        margins = (self.alpha / math.pi * (logs[labels][:, None] - logs)).clamp(0, math.pi)
        if not self.background_margin:
            background = len(logs) - 1
            margins[:, background] = 0
            margins[labels == background] = 0
        return margins

    def terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N,) losses of the samples."""
        # Most regions are background, and the functions of angles are what takes time.
        background = logits.shape[1] - 1
        rows = (self.background_margin | (labels != background)).nonzero()[:, 0]
        moved = self._moved(logits[rows], labels[rows])
        return functional.cross_entropy(logits.index_copy(0, rows, moved), labels, reduction="none")

    def _moved(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N, C) logits with all margins."""
        with torch.no_grad():
            margins = self.margins(labels).to(logits.dtype)
            turn, shift = margins.cos(), margins.sin()
            cosine = (logits / self.scale).clamp_(-1, 1)
            square = 1 - cosine**2
            least = torch.finfo(torch.float32).eps
            sine = square.clamp(min=least).sqrt_()
            moved = self.scale * (cosine * turn - sine * shift)
            # Where sinθ = 0 its slope is infinite, and the margin moves nothing.
            slope = turn + torch.where(square > least, shift * cosine / sine, 0.0)
            beyond = cosine < -turn
            # Without a margin exactly the logit: also where rounding took the cosine beyond 1.
            without = margins == 0
            moved = torch.where(without, logits, moved.masked_fill_(beyond, -self.scale))
            slope = slope.masked_fill_(beyond, 0.0).masked_fill_(without, 1.0)
        found: Tensor = _Sloped.apply(logits, moved, slope)  # type: ignore[no-untyped-call]
        return found


class _Sloped(torch.autograd.Function):
    """Values and slopes of a function of single logits: one step back instead of many."""

    @staticmethod
    def forward(context: Any, logits: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
        context.save_for_backward(slopes)
        return values

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = context.saved_tensors
        return gradients[0] * slopes, None, None


def at_least_tiny(norms: Tensor) -> Tensor:
    """Norms with a finite logarithm."""
    return norms.clamp(min=torch.finfo(norms.dtype).tiny)
