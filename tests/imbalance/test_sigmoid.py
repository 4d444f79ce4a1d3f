"""The matrix of independent sigmoids: against autograd, by hand, and what its system gives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gbss.imbalance.reweighting import JacobiWeights, direct_weights
from gbss.imbalance.sigmoid import sigmoid_gradient_matrix

CLASSES = 5  # four and the background


def sample(count: int, columns: int, seed: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels (class 1 never occurs, the background often) and uneven label weights."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, columns, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES + 4, (count,), generator=generator).clamp(max=CLASSES - 1)
    labels[labels == 1] = 2
    return logits, labels, torch.rand(count, generator=generator, dtype=torch.float64)


def loss(logits: Tensor, labels: Tensor, gamma: float, alpha: float | None) -> Tensor:
    """(N,) losses, term by term as the formula says."""
    targets = torch.eye(CLASSES, dtype=logits.dtype)[labels][:, : logits.shape[1]]
    q = torch.where(targets > 0, logits.sigmoid(), 1 - logits.sigmoid())
    terms = -((1 - q) ** gamma) * q.log()
    if alpha is not None:
        terms = terms * (alpha * targets + (1 - alpha) * (1 - targets))
    return terms.sum(1)


@pytest.mark.parametrize("columns", [CLASSES, CLASSES - 1])
@pytest.mark.parametrize(("gamma", "alpha"), [(0.0, None), (2.0, 0.25), (0.5, 0.7), (1.0, None)])
@pytest.mark.parametrize("count", [1, 63, 100])
def test_sigmoid_matrix_equals_autograd(
    count: int, gamma: float, alpha: float | None, columns: int
) -> None:
    logits, labels, weights = sample(count, columns)
    logits.requires_grad_()
    total = (weights * loss(logits, labels, gamma, alpha)).sum()
    (gradient,) = torch.autograd.grad(total, logits)
    expected = torch.zeros(CLASSES, CLASSES, dtype=torch.float64)
    for k in range(CLASSES):
        expected[:columns, k] = gradient[labels == k].sum(0) / count
    found = sigmoid_gradient_matrix(
        logits, labels, weights, classes=CLASSES, gamma=gamma, alpha=alpha
    )
    assert not found.requires_grad
    assert float((found - expected).norm() / expected.norm()) <= 1e-12
    assert torch.equal(found[:, 1], torch.zeros(CLASSES, dtype=torch.float64))
    if columns < CLASSES:
        assert torch.equal(found[-1], torch.zeros(CLASSES, dtype=torch.float64))


def test_focal_matrix_by_hand() -> None:
    """p = 1/2 on class 0, 1/4 on class 1: one sample of class 1 and two of the background."""
    logits = torch.tensor([[0.0, -math.log(3.0)]] * 3, dtype=torch.float64)
    found = sigmoid_gradient_matrix(
        logits, torch.tensor([1, 2, 2]), classes=3, gamma=2.0, alpha=0.25
    )
    first = 0.75 * 0.25 * (0.5 + 2 * 0.5 * math.log(2))
    own = -0.25 * 0.5625 * (0.75 + 2 * 0.25 * math.log(4))
    second = 0.75 * 0.0625 * (0.25 + 2 * 0.75 * math.log(4 / 3))
    expected = [[0, first, 2 * first], [0, own, 2 * second], [0, 0, 0]]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64) / 3)


def test_label_weights_default_to_one_and_an_empty_batch_gives_zeros() -> None:
    logits, labels, _ = sample(50, CLASSES - 1)
    ones = torch.ones(50, dtype=torch.float64)
    settings = {"classes": CLASSES, "gamma": 2.0, "alpha": 0.25}
    found = sigmoid_gradient_matrix(logits, labels, **settings)
    assert torch.equal(found, sigmoid_gradient_matrix(logits, labels, ones, **settings))
    empty = sigmoid_gradient_matrix(logits[:0], labels[:0], ones[:0], **settings)
    assert torch.equal(empty, torch.zeros(CLASSES, CLASSES, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_saturated_probabilities_are_finite_and_keep_their_sign(
    dtype: torch.dtype, gamma: float
) -> None:
    logits = torch.tensor([[6e4, 0, -6e4], [30, 0, -5], [0, 60, -60], [0, 0, 0]]).to(dtype)
    for labels in ([0, 0, 1, 2], [2, 3, 2, 3], [3, 3, 3, 3]):
        matrix = sigmoid_gradient_matrix(logits, torch.tensor(labels), classes=4, gamma=gamma)
        assert matrix.dtype == torch.float32
        assert matrix.isfinite().all()
        assert (matrix.diagonal() <= 0).all()
        assert (matrix - matrix.diagonal().diag() >= 0).all()


def trained(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and labels of a linear one-stage classifier, trained with class weights to its end."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(160) % 11 % 4  # uneven; class 3 is the background
    centres = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    noise = torch.randn(160, 3, generator=generator, dtype=torch.float64)
    features = centres[labels] + noise
    layer = torch.nn.Linear(3, 3, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(
        layer.parameters(), max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        targets = torch.eye(4, dtype=torch.float64)[labels][:, :3]
        terms = functional.binary_cross_entropy_with_logits(
            layer(features), targets, reduction="none"
        )
        total = (weights[labels] * terms.sum(1)).mean()
        total.backward()
        return total

    optimiser.step(closure)
    return layer(features), labels


def test_training_to_convergence_gives_the_losses_own_weights_back() -> None:
    """As with a softmax: n bias gradients vanish, and with Σ w = n + 1 they have one solution."""
    weights = torch.tensor([1.0, 2.0, 0.5, 1.5], dtype=torch.float64)
    logits, labels = trained(weights)
    matrix = sigmoid_gradient_matrix(logits, labels, classes=4)
    expected = weights * 4 / weights.sum()
    solved = direct_weights(matrix)
    torch.testing.assert_close(solved.weights, expected, rtol=1e-4, atol=0)
    jacobi = JacobiWeights(4, warmup=0)
    optimiser = torch.optim.SGD(jacobi.parameters(), lr=0.02)
    for _ in range(6000):
        optimiser.zero_grad()
        jacobi.loss(matrix.float(), 0).backward()
        optimiser.step()
    torch.testing.assert_close(jacobi.weights(0).double(), expected, rtol=1e-3, atol=0)
