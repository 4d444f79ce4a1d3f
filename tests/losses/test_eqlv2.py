import math

import pytest
import torch
from torch.nn import functional

from gbss.errors import GbssError
from gbss.losses.eqlv2 import EQLv2Loss

CLASSES = 4


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_by_hand():
    # Nothing seen: all weights are 1 up to exp(-12 · 99), so the loss is binary cross-entropy:
    # log(1 + 1/3) for the label's column with σ = 3/4, log 2 and log 5 for the others, over 4.
    loss = EQLv2Loss(2)
    logits = torch.tensor([[math.log(3), 0.0, math.log(4)]])
    found = loss(logits, torch.tensor([0]), torch.tensor([0.5]), avg_factor=4)
    expected = 0.5 * (math.log(4 / 3) + math.log(2) + math.log(5)) / 4
    assert found.item() == pytest.approx(expected, rel=1e-6)
    # Gradients: class 0 has +0.5 · 1/4 and no negative one, class 1 has 0.5 · 1/2 negative.
    loss.step()
    assert loss.positive.tolist() == pytest.approx([0.125, 0.0])
    assert loss.negative.tolist() == pytest.approx([0.0, 0.25])
    # Class 1 has the ratio 0: r = 1 / (1 + exp(12 · 0.8)), q = 1 + 4 (1 - r).
    r = sigmoid(-12 * 0.8)
    again = loss(logits, torch.tensor([1]), reduction_override="sum")
    expected = math.log(4) + (1 + 4 * (1 - r)) * math.log(2) + math.log(5)
    assert again.item() == pytest.approx(expected, rel=1e-6)


class Slow:
    """The formulas of the paper, one sample and one column after the other."""

    def __init__(self, gamma, mu, alpha):
        self.gamma, self.mu, self.alpha = gamma, mu, alpha
        self.positive, self.negative = [0.0] * CLASSES, [0.0] * CLASSES
        self.ratio = [100.0] * CLASSES

    def weights(self, column):
        if column == CLASSES:
            return 1.0, 1.0
        r = sigmoid(self.gamma * (self.ratio[column] - self.mu))
        return 1 + self.alpha * (1 - r), r

    def loss(self, logits, labels, weights):
        total = 0.0
        for row, label, weight in zip(logits, labels, weights, strict=True):
            for column, z in enumerate(row):
                q, r = self.weights(column)
                p = sigmoid(z)
                own = column == label
                total -= weight * (q * math.log(p) if own else r * math.log(1 - p))
                if column < CLASSES:
                    sums = self.positive if own else self.negative
                    sums[column] += weight * (q * (1 - p) if own else r * p)
        return total

    def step(self):
        self.ratio = [p / (n + 1e-10) for p, n in zip(self.positive, self.negative, strict=True)]


def test_a_training_equals_the_plain_formulas():
    loss, slow = EQLv2Loss(CLASSES, gamma=5, mu=0.3, alpha=3), Slow(5, 0.3, 3)
    generator = torch.Generator().manual_seed(6)
    for step in range(6):
        for _ in range(2):  # two batches before a step, as labeled and unlabeled images are
            logits = 2 * torch.randn(9, CLASSES + 1, generator=generator, dtype=torch.float64)
            labels = torch.randint(CLASSES + 1, (9,), generator=generator)
            weights = torch.rand(9, generator=generator, dtype=torch.float64)
            found = loss(logits, labels, weights, reduction_override="sum").item()
            expected = slow.loss(logits.tolist(), labels.tolist(), weights.tolist())
            assert found == pytest.approx(expected, rel=1e-6), step
        loss.step()
        slow.step()
    assert loss.ratio.tolist() == pytest.approx(slow.ratio, rel=1e-5)
    assert loss.weights()[1][:-1].max() - loss.weights()[1].min() > 0.1


def test_a_batch_that_is_not_finite_is_forgotten():
    loss = EQLv2Loss(CLASSES)
    loss(torch.randn(3, CLASSES + 1), torch.tensor([0, 1, 4]))
    loss.step()
    before = loss.ratio.clone()
    logits = torch.randn(3, CLASSES + 1)
    logits[1, 2] = float("nan")
    loss(logits, torch.tensor([0, 1, 4]))
    loss.step()
    assert torch.equal(loss.ratio, before)


def test_scores_and_the_first_bias():
    loss = EQLv2Loss(2, prior=0.001)
    scores = loss.get_activation(torch.tensor([[math.log(3), 0.0, math.log(4)]]))
    assert scores[0].tolist() == pytest.approx([0.75 * 0.2, 0.5 * 0.2, 0.8])
    assert loss.prior_bias == pytest.approx(-6.9068, abs=1e-4)
    assert sigmoid(loss.prior_bias) == pytest.approx(0.001)
    with pytest.raises(GbssError, match=r"prior(.|\n)*0.7"):
        EQLv2Loss(2, prior=0.7)


def test_arguments_are_checked():
    for name in ("gamma", "mu", "alpha"):
        with pytest.raises(GbssError, match=f"EQLv2Loss: {name}"):
            EQLv2Loss(2, **{name: -1.0})


def test_without_balancing_it_is_binary_cross_entropy():
    loss = EQLv2Loss(CLASSES, gamma=1e-9, mu=0, alpha=0)
    logits = torch.randn(7, CLASSES + 1, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 4, 2, 4, 1, 3, 3])
    target = functional.one_hot(labels, CLASSES + 1).float()
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    # γ = 0 halves the negatives of every class; the background's stay.
    halves = torch.tensor([0.5] * CLASSES + [1.0])
    expected = (each * torch.where(target > 0, 1.0, halves)).sum()
    found = loss(logits, labels, reduction_override="sum")
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
