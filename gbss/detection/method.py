"""What a row adds to Soft Teacher: the modules of `gbss.imbalance`, called in their order."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from gbss.imbalance.gradients import (
    Branch,
    GradientStatistics,
    gradient_matrix,
    matrix_of_gradients,
)
from gbss.imbalance.processes import sum_over_processes
from gbss.imbalance.resampling import PseudoLabelPool
from gbss.imbalance.reweighting import DirectWeights, JacobiWeights, SampleWeights
from gbss.imbalance.sigmoid import sigmoid_gradient_matrix
from gbss.imbalance.thresholds import ClassThresholds
from gbss.losses.daso import Daso


class Method(nn.Module):
    """Statistics, class weights, thresholds and the pool of one detector, beside its student.

    Statistics and scores are collected for every row, as the figures compare rows with and without
    the method. The configurations are of modules of `gbss.imbalance`, that of ``daso`` of
    `gbss.losses`.

    A step is `begin`, then `observe`, `note_detections` and `note_pseudo_labels` as often as
    needed, then `end`. ``part`` is set to the part of the batch that is seen, see
    `gbss.detection.parts`.

    Args:
        statistics: `GradientStatistics`.
        thresholds: `ClassThresholds`; used as thresholds with ``class_wise`` only.
        weights: `JacobiWeights` or `DirectWeights`; None: w = 1.
        factors: `SampleWeights`; None: losses are not weighted (no GbR).
        class_wise: Whether pseudo labels have class-wise thresholds (GbT).
        focal_gamma: Exponent of the classification loss; None: cross-entropy.
        focal_alpha: α of a sigmoid focal loss over foreground classes alone; None: the loss is
            another one.
        daso: `gbss.losses.daso.Daso`; None: pseudo labels are the teacher's.
    """

    kept: Tensor
    class_repeats: Tensor
    _kept: Tensor

    def __init__(
        self,
        statistics: dict[str, Any],
        thresholds: dict[str, Any],
        weights: dict[str, Any] | None = None,
        factors: dict[str, Any] | None = None,
        class_wise: bool = False,
        focal_gamma: float | None = None,
        daso: dict[str, Any] | None = None,
        focal_alpha: float | None = None,
    ) -> None:
        super().__init__()
        self.statistics: GradientStatistics = MODELS.build(statistics)
        self.thresholds: ClassThresholds = MODELS.build(thresholds)
        self.weights: JacobiWeights | DirectWeights | None = _build(weights)
        self.factors: SampleWeights | None = _build(factors)
        self.daso: Daso | None = _build(daso)
        self.class_wise = class_wise
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.pool: PseudoLabelPool | None = None
        self.positions: dict[int, int] = {}
        # Pseudo labels kept so far, per class; the second one waits to be summed over processes.
        count = torch.zeros(self.statistics.classes - 1, dtype=torch.long)
        self.register_buffer("kept", count)
        self.register_buffer("_kept", count.clone(), persistent=False)
        # r_c of the last change of the sampling, for the training log.
        self.register_buffer("class_repeats", torch.ones(len(count)))
        self._detected: list[tuple[Tensor, Tensor]] = []
        self.part = 0
        self.begin(0)

    def attach_pool(self, image_ids: list[int]) -> None:
        """Makes the pool; call it before a checkpoint is loaded.

        Args:
            image_ids: Id of each image of the unlabeled dataset, in its order.
        """
        self.positions = {image: position for position, image in enumerate(image_ids)}
        pool = PseudoLabelPool(len(image_ids), self.statistics.classes - 1)
        self.pool = pool.to(self.kept.device)

    def begin(self, iteration: int) -> None:
        """Sets the weights (C,) and thresholds (n,) of an iteration, counted from 0."""
        self.iteration = iteration
        if self.weights is None:
            self.class_weights = torch.ones_like(self.statistics.running[0, 0])
        else:
            # A copy: what is solved at the end of this step is for the next one.
            self.class_weights = self.weights.weights(iteration).clone()
        used = self.class_weights if self.class_wise else None
        self.class_thresholds = self.thresholds(used, iteration)

    def observe(
        self,
        branch: Branch,
        logits: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        gradients: Tensor | None = None,
        divisor: float | None = None,
    ) -> Tensor | None:
        """Takes in the samples of a classification loss.

        Args:
            branch: Where they come from.
            logits: (N, C), or (N, n) of a sigmoid focal loss.
            labels: (N,).
            label_weights: (N,) without the factors.
            gradients: (N, C) of their terms on the logits; None: those of cross-entropy, or of
                focal loss.
            divisor: What the loss of the batch is divided by; None: N.

        Returns:
            (N,) factors of their losses; None: they are not weighted.
        """
        if gradients is not None:
            matrix = matrix_of_gradients(gradients, labels, label_weights)
        elif self.focal_alpha is not None:
            matrix = sigmoid_gradient_matrix(
                logits,
                labels,
                label_weights,
                classes=self.statistics.classes,
                gamma=self.focal_gamma or 0.0,
                alpha=self.focal_alpha,
            )
        else:
            matrix = gradient_matrix(
                logits,
                labels,
                label_weights,
                focal_gamma=self.focal_gamma,
                variant=self.statistics.variant,
            )
        self.statistics.observe(branch, matrix, len(logits), divisor)
        if self.factors is None:
            return None
        found: Tensor = self.factors(self.class_weights, labels, branch)
        return found

    def note_detections(self, scores: Tensor, labels: Tensor) -> None:
        """Takes in the teacher's detections on one image, before any is filtered by its score."""
        self._detected.append((scores, labels))

    def kept_of(self, scores: Tensor, labels: Tensor) -> Tensor:
        """(M,) which detections are pseudo labels: score > threshold of the class."""
        return scores > self.class_thresholds[labels]

    def note_pseudo_labels(self, image_ids: list[int], found: list[tuple[Tensor, Tensor]]) -> None:
        """Counts a batch's pseudo labels, and gives them to the pool when warm-up is over.

        Args:
            image_ids: Id of each image of the batch.
            found: Scores and labels of its detections.
        """
        scores = torch.cat([scores for scores, _ in found])
        labels = torch.cat([labels for _, labels in found])
        kept = labels[self.kept_of(scores, labels)]
        self._kept += torch.bincount(kept, minlength=len(self._kept))
        if self.daso is not None:
            self.daso.note(kept)
        if self.pool is None or self.iteration < self.thresholds.warmup:
            return
        counts = torch.tensor([len(scores) for scores, _ in found], device=scores.device)
        slots = torch.arange(len(found), device=scores.device).repeat_interleave(counts)
        images = torch.tensor([self.positions[image] for image in image_ids], device=scores.device)
        self.pool.add(
            self.iteration, images, slots, labels, scores, self.class_thresholds, self.part
        )

    def end(self) -> dict[str, Tensor]:
        """Updates everything once, on all processes; returns the loss that fits the weights."""
        self.statistics.step()
        if self.factors is not None:
            self.factors.step()
        if self.daso is not None:
            self.daso.step()
        scores = [self.thresholds.score_sum[:0], *(scores for scores, _ in self._detected)]
        labels = [self.thresholds.seen[:0], *(labels for _, labels in self._detected)]
        self._detected.clear()
        self.thresholds.update(torch.cat(scores), torch.cat(labels))
        if isinstance(self.weights, JacobiWeights):
            return {"loss_weights": self.weights.loss(self.statistics.matrix(), self.iteration)}
        if isinstance(self.weights, DirectWeights):
            self.weights.update(self.statistics.matrix(), self.iteration)
        return {}

    def exchange(self) -> None:
        """Brings together what processes keep apart between two looks; changes no later result."""
        sum_over_processes(self._kept)
        self.kept += self._kept
        self._kept.zero_()
        if self.pool is not None:
            self.pool.exchange()


def _build(config: dict[str, Any] | None) -> Any:
    return None if config is None else MODELS.build(config)
