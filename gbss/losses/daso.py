"""DASO: pseudo labels blended from a classifier and class prototypes, and an alignment loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gbss.imbalance.processes import gather_rows, sum_over_processes
from gbss.imbalance.variant import check_range

_LARGEST = torch.finfo(torch.float16).max


class Daso(nn.Module):
    """Distribution-aware semantics-oriented pseudo labels.

    A queue per class holds features f of its labeled boxes, the same number for every class; the
    prototype c_k is their mean. Semantic probabilities q_k ∝ exp(cos(f, c_k) / t). The blend of a
    box with classifier probabilities p and label y is p' = (1 - v_y) p + v_y q, where
    v_k = m_k^(1/T) / max_j m_j^(1/T) and m_k is the share of class k among the latest pseudo
    labels: a class that gets many follows the prototypes, a rare one the classifier. The alignment
    loss is the cross-entropy from q of the weak view to the semantic probabilities of the strong
    one.

    Source: Oh et al., DASO (CVPR 2022), eq. 2 to 6; https://github.com/ytaek-oh/daso
    (lib/models/daso_model.py, feature_queue.py). On a detector: 0066.

    Args:
        classes: n, without the background.
        features: d, length of a feature.
        warmup: Iterations in which it only looks.
        length: Features in the queue of a class.
        temperature: t.
        sharpness: T; above 1 v is more alike for all classes.
        window: Steps whose pseudo labels form m.
    """

    queue: Tensor
    directions: Tensor
    filled: Tensor
    counts: Tensor
    steps: Tensor
    _count: Tensor

    def __init__(
        self,
        classes: int,
        features: int,
        *,
        warmup: int,
        length: int = 256,
        temperature: float = 0.05,
        sharpness: float = 1.0,
        window: int = 100,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("warmup", warmup, 0),
            ("length", length, 1),
            ("window", window, 1),
        ):
            check_range(f"Daso: {name}", value, least, fix="use a number of iterations or features")
        check_range("Daso: temperature", temperature, 1e-4, fix="use a number above 0, as 0.05")
        check_range("Daso: sharpness", sharpness, 1e-4, fix="use a number above 0, as 1")
        self.warmup = warmup
        self.temperature = temperature
        self.sharpness = sharpness
        # Half precision: only directions of means are used, and there can be many features.
        queue = torch.zeros(classes, length, features, dtype=torch.float16)
        self.register_buffer("queue", queue)
        # Of the queues, after each step.
        self.register_buffer("directions", torch.zeros(classes, features))
        self.register_buffer("filled", torch.zeros(classes, dtype=torch.long))
        self.register_buffer("counts", torch.zeros(window, classes))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("_count", torch.zeros(classes), persistent=False)
        self._seen: list[Tensor] = []

    def ready(self, iteration: int) -> bool:
        """Whether pseudo labels are blended and aligned in an iteration, counted from 0."""
        return iteration >= self.warmup

    @torch.no_grad()
    def observe(self, features: Tensor, labels: Tensor) -> None:
        """Takes in the teacher's features (M, d) of labeled boxes and their (M,) classes."""
        self._seen.append(torch.cat([features.float(), labels.float()[:, None]], 1))

    @torch.no_grad()
    def note(self, labels: Tensor) -> None:
        """Counts the (M,) classes of a batch's final pseudo labels."""
        self._count += labels.bincount(minlength=len(self._count))

    @torch.no_grad()
    def step(self) -> None:
        """Ends a training step: queues and counts are those of all processes."""
        rows = gather_rows(torch.cat([self.queue.new_zeros(0, self._width).float(), *self._seen]))
        self._seen.clear()
        rows = rows[rows.isfinite().all(1)]
        # One class after the other: the places within a queue depend on the order.
        for label in sorted(set(rows[:, -1].long().tolist())):
            new = rows[rows[:, -1] == label, :-1].clamp(-_LARGEST, _LARGEST)
            new = new.to(self.queue.dtype)[-self.queue.shape[1] :]
            start = int(self.filled[label])
            places = torch.arange(start, start + len(new), device=rows.device)
            self.queue[label, places % self.queue.shape[1]] = new
            self.filled[label] += len(new)
        # Places that are not filled are 0, and a class without features has no direction.
        # A new tensor: the alignment of this step still needs the last one for its gradient.
        self.directions = functional.normalize(self.queue.float().sum(1), dim=1)
        sum_over_processes(self._count)
        self.counts[self.steps % len(self.counts)] = self._count
        self.steps += 1
        self._count.zero_()

    @property
    def _width(self) -> int:
        return self.queue.shape[2] + 1

    def semantics(self, features: Tensor) -> Tensor:
        """(M, n) semantic log probabilities of features (M, d), over classes with a prototype."""
        likeness = functional.normalize(features.float(), dim=1) @ self.directions.T
        known = (self.filled > 0) | (self.filled == 0).all()
        scaled = (likeness / self.temperature).masked_fill(~known, -torch.inf)
        return scaled.log_softmax(1)

    @torch.no_grad()
    def shares(self) -> Tensor:
        """(n,) v, how much the prototypes decide on a box of each class."""
        powers = (self.counts.sum(0) / self.counts.sum().clamp(min=1)) ** (1 / self.sharpness)
        return powers / powers.max().clamp(min=torch.finfo(powers.dtype).tiny)

    @torch.no_grad()
    def blend(self, probabilities: Tensor, labels: Tensor, semantics: Tensor) -> Tensor:
        """(M, n) blended class probabilities.

        Args:
            probabilities: (M, n) p of the classifier, without the background.
            labels: (M,) y that decide on v.
            semantics: (M, n) log q.
        """
        share = self.shares()[labels][:, None]
        return (1 - share) * probabilities + share * semantics.exp()

    def alignment(self, features: Tensor, targets: Tensor, samples: int) -> Tensor:
        """Cross-entropy of the student's features to q of the weak view.

        Args:
            features: (M, d) of the boxes that are aligned.
            targets: (M, n) log q.
            samples: Divides the sum: the regions that classification draws in the batch, so that
                the two losses of a box weigh alike, as those of an image do in the original.
        """
        found = self.semantics(features)
        # 0 · -∞ for classes without a prototype is 0 here.
        terms = torch.where(targets > -torch.inf, targets.exp() * found, 0.0).sum(1)
        return -terms.sum() / max(samples, 1)
