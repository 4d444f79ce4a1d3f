"""Logit adjustment: the frequency of the classes is added to the logits, or taken from them."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from gbss.errors import fail
from gbss.imbalance.variant import check_range
from gbss.losses.base import ClassificationLoss

Form = Literal["loss", "post_hoc"]


class LogitAdjustmentLoss(ClassificationLoss):
    """Logit adjustment: CE(z + τ log π, y); post-hoc: CE(z, y), scores softmax(z - τ log π).

    π_k is the share of class k among the labeled boxes. The method has no background; its column
    counts as a class of mean frequency, π_bg = 1 / n (0061): foreground as a whole then keeps its
    odds, and equally frequent classes give cross-entropy. Only differences of log π matter, so
    the offset of the background is 0.

    Source: Menon et al., Long-tail learning via logit adjustment, eq. 9 and 10;
    https://github.com/google-research/google-research/tree/master/logit_adjustment.

    Args:
        classes: n, without the background.
        form: ``loss`` or ``post_hoc``. Pseudo labels come from unadjusted logits in both.
        tau: τ ≥ 0.
        floor: Boxes that a class has at least, so that log π is finite.
        background: π_bg; None: 1 / n.
        loss_weight: Factor of the loss.

    Raises:
        GbssError: An argument is out of range, or `set_prior` was not called.
    """

    offsets: Tensor

    def __init__(
        self,
        classes: int,
        *,
        form: Form = "loss",
        tau: float = 1.0,
        floor: float = 1.0,
        background: float | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        where = "LogitAdjustmentLoss"
        check_range(f"{where}: tau", tau, 0, fix="use a factor of 0 or more; the method has 1")
        check_range(f"{where}: floor", floor, 1e-9, fix="use a number of boxes, as 1")
        if background is not None:
            check_range(f"{where}: background", background, 1e-9, 1, fix="use a share, as 0.5")
        if form not in ("loss", "post_hoc"):
            fix = "use one of the two"
            raise fail(f"{where}: form", found=repr(form), expected="loss or post_hoc", fix=fix)
        self.form = form
        self.tau = tau
        self.floor = floor
        self.background = background
        self.register_buffer("offsets", torch.zeros(classes + 1))
        self._told = False

    def set_prior(self, counts: Tensor) -> None:
        """Sets the offsets τ (log π_k - log π_bg) from (n,) labeled boxes."""
        boxes = counts.double().clamp(min=self.floor)
        background = 1 / len(boxes) if self.background is None else self.background
        self.offsets[:-1] = self.tau * (boxes / boxes.sum() / background).log()
        self._told = True

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._told |= f"{prefix}offsets" in state_dict

    def _check_told(self) -> None:
        # Without a prior all offsets are 0, and it would be cross-entropy without saying so.
        if not self._told:
            raise fail(
                "LogitAdjustmentLoss",
                found="no prior",
                expected="`set_prior` before the loss",
                fix="train with gbss.detection.method_hooks.PriorHook",
            )

    def terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N,) losses of the samples."""
        self._check_told()
        if self.form == "loss":
            logits = logits + self.offsets
        return functional.cross_entropy(logits, labels, reduction="none")

    def final_logits(self, logits: Tensor) -> Tensor:
        """(N, C) logits of results."""
        self._check_told()
        return logits - self.offsets if self.form == "post_hoc" else logits
