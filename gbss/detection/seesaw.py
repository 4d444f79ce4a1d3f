"""mmdet's Seesaw loss as one of our losses: the same counts on all processes, and weights."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models import SeesawLoss as MMDetSeesawLoss
from torch import Tensor
from torch.nn import functional

from gbss.imbalance.processes import sum_over_processes
from gbss.imbalance.variant import check_range
from gbss.losses.base import ClassificationLoss, at_least_float32


class SeesawLoss(ClassificationLoss):
    """Seesaw loss: mitigation by counts, compensation by scores, and an objectness of two columns.

    σ_i = e^{z_i} / (Σ_{j≠i} S_ij e^{z_j} + e^{z_i}), S_ij = (N_j / N_i)^p where N_i > N_j, times
    (σ_j / σ_i)^q where σ_j > σ_i. Positives cost -log σ_y and -log of the objectness, background
    the latter alone. Counts N grow once per step, by the samples of all processes; in mmdet each
    process counts by itself, before the loss of the batch (0063).

    Source: Wang et al., Seesaw Loss, eq. 4 to 10; mmdet 3.x, models/losses/seesaw_loss.py.

    Args:
        classes: n; the classifier has n + 2 outputs.
        p: Exponent of the counts' ratio.
        q: Exponent of the scores' ratio.
        loss_weight: Factor of the loss.

    Raises:
        GbssError: An exponent is below 0.
    """

    custom_cls_channels = True
    custom_activation = True

    _pending: Tensor

    def __init__(
        self, classes: int, *, p: float = 0.8, q: float = 2.0, loss_weight: float = 1.0
    ) -> None:
        super().__init__(loss_weight)
        for name, value in (("p", p), ("q", q)):
            check_range(f"SeesawLoss: {name}", value, 0, fix="use an exponent of 0 or more")
        self.theirs = MMDetSeesawLoss(p=p, q=q, num_classes=classes, return_dict=False)
        # Sums over a whole training, to which single batches must still add.
        self.theirs.cum_samples = self.theirs.cum_samples.double()
        pending = torch.zeros_like(self.theirs.cum_samples)
        self.register_buffer("_pending", pending, persistent=False)

    def terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N,) losses of the samples."""
        theirs = self.theirs
        background = labels == theirs.num_classes
        losses = functional.cross_entropy(logits[:, -2:], background.long(), reduction="none")
        positive = (~background).nonzero()[:, 0]
        of_classes = theirs.cls_criterion(
            logits[positive, :-2],
            labels[positive],
            None,
            theirs.cum_samples[:-1].to(logits.dtype),
            theirs.num_classes,
            theirs.p,
            theirs.q,
            theirs.eps,
            reduction="none",
        )
        return losses.index_add(0, positive, of_classes)

    @torch.no_grad()
    def observe(self, logits: Tensor, labels: Tensor, weight: Tensor | None) -> None:
        """Counts the samples of a batch that have a weight."""
        counted = labels if weight is None else labels[weight > 0]
        self._pending += counted.bincount(minlength=len(self._pending))

    @torch.no_grad()
    def step(self) -> None:
        """Takes the step's samples of all processes into the counts."""
        sum_over_processes(self._pending)
        self.theirs.cum_samples += self._pending
        self._pending.zero_()

    def get_cls_channels(self, num_classes: int) -> int:
        """Outputs of the classifier, see mmdet."""
        return int(self.theirs.get_cls_channels(num_classes))

    def get_activation(self, logits: Tensor) -> Tensor:
        """(N, C) scores: those of the classes times the objectness, and its rest last."""
        found: Tensor = self.theirs.get_activation(logits)
        return found

    def get_accuracy(self, logits: Tensor, labels: Tensor) -> dict[str, Any]:
        """Accuracies of classes and objectness, see mmdet."""
        found: dict[str, Any] = self.theirs.get_accuracy(logits, labels)
        return found

    def logit_gradients(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(N, C) gradients on the logarithms of the C scores, as if all factors S were 1.

        -log of a score is then the loss, so this is cross-entropy's p - onehot. They are not those
        that training has, nor are these the loss's slope: mmdet keeps the compensation factor out
        of the graph.
        """
        scores = self.get_activation(at_least_float32(logits.detach()))
        return self.loss_weight * (scores - functional.one_hot(labels, scores.shape[1]))
