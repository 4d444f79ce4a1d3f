"""The gradient matrix against autograd and a plain N x C x C reference, and its running mean."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gbss.errors import GbssError
from gbss.imbalance.gradients import (
    GradientStatistics,
    gradient_matrix,
    matrix_of_gradients,
    positive_negative,
)

CLASSES = 7


def sample(count: int, classes: int = CLASSES, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels (class 2 never occurs, the background often) and uneven label weights."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes + 3, (count,), generator=generator).clamp(max=classes - 1)
    labels[labels == 2] = 4
    return logits, labels, torch.rand(count, generator=generator, dtype=torch.float64) + 0.1


def focal_loss(logits: Tensor, labels: Tensor, gamma: float | None) -> Tensor:
    log_p = logits.log_softmax(1)[torch.arange(len(labels)), labels]
    return -log_p if gamma is None else -((1 - log_p.exp()) ** gamma) * log_p


def by_autograd(loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """(C, C) from the real loss: entry [i, k] = mean gradient on logit i by samples of class k."""
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    classes = logits.shape[1]
    columns = [gradient[labels == k].sum(0) / len(labels) for k in range(classes)]
    return torch.stack(columns, 1)


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("count", [1, 63, 64, 100])
@pytest.mark.parametrize("gamma", [None, 0.0, 0.5, 1.0, 1.5, 2.0])
def test_matrix_equals_autograd(count: int, gamma: float | None) -> None:
    logits, labels, weights = sample(count)
    logits.requires_grad_()
    expected = by_autograd(weights * focal_loss(logits, labels, gamma), logits, labels)
    found = gradient_matrix(logits, labels, weights, focal_gamma=gamma)
    assert not found.requires_grad
    assert relative_error(found, expected) <= 1e-12


def test_label_weights_default_to_one() -> None:
    logits, labels, _ = sample(50)
    ones = torch.ones(50, dtype=torch.float64)
    assert torch.equal(gradient_matrix(logits, labels), gradient_matrix(logits, labels, ones))


@pytest.mark.parametrize("gamma", [None, 1.5])
def test_matrix_equals_the_plain_n_c_c_reference(gamma: float | None) -> None:
    """The Jacobian of the softmax, sample by sample: dl/dz_i = dl/dp_y · p_y ([i = y] - p_i)."""
    logits, labels, weights = sample(65)
    p = logits.softmax(1)
    onehot = torch.eye(CLASSES, dtype=torch.float64)[labels]
    p_label = (p * onehot).sum(1)
    slope = -1 / p_label
    if gamma is not None:
        slope = gamma * (1 - p_label) ** (gamma - 1) * p_label.log()
        slope = slope - (1 - p_label) ** gamma / p_label
    jacobian = p_label[:, None] * (onehot - p)
    cube = (weights * slope)[:, None, None] * jacobian[:, :, None] * onehot[:, None, :]
    found = gradient_matrix(logits, labels, weights, focal_gamma=gamma)
    assert relative_error(found, cube.mean(0)) <= 1e-12


def test_rows_are_logits_and_columns_are_the_samples_classes() -> None:
    logits = torch.tensor([[2.0, 0.5, -1.0]], dtype=torch.float64)
    matrix = gradient_matrix(logits, torch.tensor([1]))
    p = logits.softmax(1)[0]
    torch.testing.assert_close(matrix[:, 1], torch.stack([p[0], p[1] - 1, p[2]]))
    assert torch.equal(matrix[:, [0, 2]], torch.zeros(3, 2, dtype=torch.float64))


def test_columns_sum_to_zero_and_a_class_without_samples_has_a_zero_column() -> None:
    logits, labels, weights = sample(100)
    matrix = gradient_matrix(logits, labels, weights, focal_gamma=0.7)
    assert matrix.sum(0).abs().max() < 1e-15
    assert torch.equal(matrix[:, 2], torch.zeros(CLASSES, dtype=torch.float64))
    others = matrix - matrix.diagonal().diag()
    assert (others >= 0).all()
    assert (matrix.diagonal()[[0, 1, 3, 4, 5, 6]] < 0).all()


@pytest.mark.parametrize("variant", ["paper", "release"])
def test_empty_batch_gives_zeros(variant: str) -> None:
    empty = torch.zeros(0, 5)
    matrix = gradient_matrix(empty, torch.zeros(0, dtype=torch.long), variant=variant)
    assert torch.equal(matrix, torch.zeros(5, 5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("gamma", [None, 0.5, 2.0])
def test_saturated_probabilities_are_finite_and_keep_their_sign(
    dtype: torch.dtype, gamma: float | None
) -> None:
    logits = torch.tensor([[6e4, 0, -6e4], [30, 0, -5], [0, 60, -60], [0, 0, 0]]).to(dtype)
    for labels in ([0, 0, 1, 2], [2, 2, 2, 2], [1, 0, 0, 1]):
        matrix = gradient_matrix(logits, torch.tensor(labels), focal_gamma=gamma)
        assert matrix.dtype == torch.float32
        assert matrix.isfinite().all()
        assert (matrix.diagonal() <= 0).all()
        assert (matrix - matrix.diagonal().diag() >= 0).all()


@pytest.mark.parametrize("gamma", [None, 0.5, 1.0])
def test_nearly_saturated_samples_keep_their_relative_accuracy(gamma: float | None) -> None:
    logits = torch.tensor([[25.0, 0.3, -2.0], [-12.0, 20.0, 1.0]])
    for labels in (torch.tensor([0, 1]), torch.tensor([2, 0])):
        expected = gradient_matrix(logits.double(), labels, focal_gamma=gamma)
        found = gradient_matrix(logits, labels, focal_gamma=gamma)
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)


def test_half_precision_is_computed_in_float32() -> None:
    logits, labels, weights = sample(100)
    half = logits.half()
    expected = gradient_matrix(half.double(), labels, weights)
    assert relative_error(gradient_matrix(half, labels, weights).double(), expected) < 1e-6


def test_lvis_size_equals_autograd() -> None:
    logits, labels, weights = sample(130, classes=1204)
    logits.requires_grad_()
    expected = by_autograd(weights * focal_loss(logits, labels, 1.0), logits, labels)
    assert (
        relative_error(gradient_matrix(logits, labels, weights, focal_gamma=1.0), expected) < 1e-12
    )


def release_restated(logits: Tensor, labels: Tensor, weights: Tensor, *, focal: bool) -> Tensor:
    """The released collector, plainly: shifted softmax, chunks of 64, row = sample's class."""
    p = logits.softmax(1) + 1e-5
    count, classes = p.shape
    matrix = torch.zeros(classes, classes, dtype=p.dtype)
    for n in range(count):
        y = int(labels[n])
        slope = (1 - p[n, y]) / p[n, y] - p[n, y].log() if focal else 1 / p[n, y]
        slope = slope * weights[n]
        for b in range(classes):
            if b == y:
                matrix[y, y] -= slope * p[n, y] * (1 - p[n, y])
            elif n < count // 64 * 64:
                matrix[y, b] += slope * p[n, y] * p[n, b]
    return 100 * matrix / count


@pytest.mark.parametrize("gamma", [None, 1.0, 2.0])
@pytest.mark.parametrize("count", [64, 131])
def test_release_matrix_equals_its_plain_restatement(count: int, gamma: float | None) -> None:
    logits, labels, weights = sample(count)
    logits[0, labels[0]] = 90.0
    expected = release_restated(logits, labels, weights, focal=gamma is not None)
    found = 100 * gradient_matrix(logits, labels, weights, focal_gamma=gamma, variant="release")
    assert relative_error(found.T, expected) < 1e-13


def test_release_keeps_all_rows_of_a_short_batch() -> None:
    logits, labels, weights = sample(63)
    paper = gradient_matrix(logits, labels, weights)
    release = gradient_matrix(logits, labels, weights, variant="release")
    assert 1e-7 < relative_error(release, paper) < 1e-3


def test_negative_focal_exponent_and_unknown_variant_are_errors() -> None:
    logits, labels, _ = sample(3)
    with pytest.raises(GbssError, match=r"focal_gamma\n.*found: +-0\.5"):
        gradient_matrix(logits, labels, focal_gamma=-0.5)
    with pytest.raises(GbssError, match="did you mean 'release'"):
        gradient_matrix(logits, labels, variant="relaese")


def test_positive_and_negative_gradient_of_each_class() -> None:
    matrix = torch.tensor([[-4.0, 1.0, 2.0], [3.0, -2.0, 5.0], [1.0, 1.0, -7.0]])
    positive, negative = positive_negative(matrix)
    assert positive.tolist() == [4, 2, 7]
    assert negative.tolist() == [3, 8, 2]
    assert positive_negative(matrix, torch.tensor([2.0, 0.5, 10]))[1].tolist() == [20.5, 56, 2.5]


def matrices(count: int) -> list[Tensor]:
    return [gradient_matrix(*sample(40 + n, seed=n)).float() for n in range(count)]


def test_running_matrix_is_a_mean_in_warmup_and_exponential_after_it() -> None:
    statistics = GradientStatistics(CLASSES, warmup=3, momentum=0.9, pseudo_weight=4.0)
    labeled, pseudo = matrices(5), matrices(10)[5:]
    for one, other in zip(labeled, pseudo, strict=True):
        statistics.observe("labeled", one, 40)
        statistics.observe("pseudo", other, 90)
        statistics.step()

    def expected(batches: list[Tensor]) -> Tensor:
        mean = sum(batches[:3]) / 3
        for batch in batches[3:]:
            mean = 0.9 * mean + 0.1 * batch
        return torch.as_tensor(mean)

    torch.testing.assert_close(statistics.running[0], expected(labeled))
    torch.testing.assert_close(statistics.running[1], expected(pseudo))
    both = expected(labeled) + 4 * expected(pseudo)
    torch.testing.assert_close(statistics.matrix(), both)
    assert statistics.updates.tolist() == [5, 5]


def test_batches_of_one_step_are_weighted_by_their_samples() -> None:
    logits, labels, weights = sample(100)
    statistics = GradientStatistics(CLASSES, warmup=5)
    for part in (slice(0, 17), slice(17, 100), slice(100, 100)):
        matrix = gradient_matrix(logits[part], labels[part], weights[part])
        statistics.observe("labeled", matrix, len(labels[part]))
    statistics.step()
    expected = gradient_matrix(logits, labels, weights).float()
    torch.testing.assert_close(statistics.running[0], expected, rtol=1e-5, atol=1e-8)


def test_batches_may_be_divided_by_something_else_than_their_samples() -> None:
    first, second = matrices(2)
    statistics = GradientStatistics(CLASSES, warmup=5)
    statistics.observe("labeled", first, 40, 3.0)
    statistics.observe("labeled", second, 10, 0.0)
    statistics.step()
    torch.testing.assert_close(statistics.running[0], (40 * first + 10 * second) / 3)
    # Nothing to divide by, as without samples.
    statistics.observe("labeled", second, 10, 0.0)
    statistics.step()
    torch.testing.assert_close(statistics.running[0], (40 * first + 10 * second) / 3)
    assert statistics.updates.tolist() == [1, 0]


def test_a_branch_without_samples_or_with_nan_keeps_its_matrix() -> None:
    statistics = GradientStatistics(CLASSES, warmup=2)
    first, second = matrices(2)
    statistics.observe("labeled", first, 40)
    statistics.step()
    statistics.observe("labeled", first * torch.nan, 40)
    statistics.observe("pseudo", second, 41)
    statistics.step()
    statistics.step()
    torch.testing.assert_close(statistics.running, torch.stack([first, second]))
    assert statistics.updates.tolist() == [1, 1]
    assert statistics.skipped.tolist() == [1, 0]


def test_release_statistics_equal_their_plain_restatement() -> None:
    statistics = GradientStatistics(CLASSES, warmup=3, pseudo_weight=4.0, variant="release")
    batches = matrices(10)
    expected = torch.zeros(CLASSES, CLASSES)
    for t in range(5):
        for branch, batch in (("labeled", batches[2 * t]), ("pseudo", 4 * batches[2 * t + 1])):
            statistics.observe(branch, batch / (1 if branch == "labeled" else 4), 40 + t)
            expected = (
                (expected * t + batch) / (t + 1) if t < 3 else 0.999 * expected + 0.001 * batch
            )
        statistics.step()
    torch.testing.assert_close(statistics.matrix(), expected)


@pytest.mark.parametrize("variant", ["paper", "release"])
def test_statistics_resume_from_their_state_to_the_last_digit(variant: str) -> None:
    batches = matrices(6)
    whole = GradientStatistics(CLASSES, warmup=2, variant=variant)
    resumed = GradientStatistics(CLASSES, warmup=2, variant=variant)
    for step, batch in enumerate(batches):
        if step == 4:
            resumed.load_state_dict(whole.state_dict())
        for statistics in (whole, resumed):
            statistics.observe("labeled", batch, 31)
            statistics.observe("pseudo", batch.T, 9)
            statistics.step()
    assert torch.equal(whole.running, resumed.running)
    assert set(whole.state_dict()) == {"running", "updates", "skipped"}


def test_the_matrix_of_any_gradients_is_that_of_cross_entropy_for_its_gradients() -> None:
    generator = torch.Generator().manual_seed(8)
    logits = torch.randn(30, 5, generator=generator)
    labels = torch.randint(4, (30,), generator=generator)  # class 4 has no samples
    weights = torch.rand(30, generator=generator)
    gradients = logits.softmax(1) - torch.nn.functional.one_hot(labels, 5)
    found = matrix_of_gradients(gradients, labels, weights)
    torch.testing.assert_close(found, gradient_matrix(logits, labels, weights))
    assert (found[:, 4] == 0).all()
    plain = matrix_of_gradients(gradients.half(), labels)
    torch.testing.assert_close(plain, gradient_matrix(logits, labels), atol=1e-3, rtol=0.0)
    assert matrix_of_gradients(gradients[:0], labels[:0]).tolist() == [[0.0] * 5] * 5


@pytest.mark.parametrize(("name", "value"), [("warmup", -1), ("momentum", 1.5)])
def test_statistics_refuse_impossible_settings(name: str, value: float) -> None:
    with pytest.raises(GbssError, match=f"GradientStatistics: {name}"):
        GradientStatistics(3, **{"warmup": 1, name: value})
