"""Both solvers of the linear system, and the factors of the samples' losses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gbss.errors import GbssError
from gbss.imbalance.gradients import gradient_matrix
from gbss.imbalance.reweighting import (
    DirectWeights,
    JacobiWeights,
    SampleWeights,
    direct_weights,
    jacobi_target,
    sample_weights,
)


def detector_matrix(classes: int, per_class: int = 20, seed: int = 0) -> Tensor:
    """A (C, C) float64 matrix of an imbalanced detector that knows every class a little."""
    generator = torch.Generator().manual_seed(seed)
    prior = 1 / torch.arange(2.0, classes + 2)
    drawn = torch.multinomial(prior, per_class * classes, True, generator=generator)
    labels = torch.cat([drawn, torch.arange(classes).repeat(2)])
    logits = torch.randn(len(labels), classes, generator=generator, dtype=torch.float64)
    logits[torch.arange(len(labels)), labels] += 2
    return gradient_matrix(logits, labels)


@pytest.mark.parametrize("classes", [2, 13, 81])
def test_direct_solution_solves_every_equation_and_is_positive(classes: int) -> None:
    matrix = detector_matrix(classes)
    solution = direct_weights(matrix)
    assert solution.weights.dtype == torch.float64
    assert solution.weights.min() > 0
    assert float(solution.weights.sum()) == pytest.approx(classes)
    assert (matrix @ solution.weights).abs().max() < 1e-14
    assert (solution.empty, solution.negative) == ((), ())
    assert solution.action == "solved as it stands"


def test_direct_solution_by_hand() -> None:
    # Column k = gradients that samples of class k cause; w is the stationary distribution.
    matrix = torch.tensor([[-2.0, 1.0, 0.0], [2.0, -1.0, 3.0], [0.0, 0.0, -3.0]])
    solution = direct_weights(matrix)
    torch.testing.assert_close(solution.weights, torch.tensor([1.0, 2.0, 0.0]).double())


def test_repair_changes_nothing_where_every_class_has_samples() -> None:
    matrix = detector_matrix(13)
    repaired = direct_weights(matrix, repair=True).weights
    torch.testing.assert_close(repaired, direct_weights(matrix).weights, rtol=1e-10, atol=0)


def test_one_class_without_samples_absorbs_the_whole_sum() -> None:
    matrix = detector_matrix(21)
    matrix[:, 5] = 0
    solution = direct_weights(matrix)
    assert solution.empty == (5,)
    assert float(solution.weights[5]) == pytest.approx(21)
    assert solution.weights[torch.arange(21) != 5].abs().max() < 1e-10
    assert solution.action.startswith("1 classes without samples took the whole sum")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_several_classes_without_samples_share_it_and_leave_noise(dtype: torch.dtype) -> None:
    matrix = detector_matrix(81).to(dtype)
    empty = (3, 17, 64, 80)
    matrix[:, list(empty)] = 0
    solution = direct_weights(matrix)
    assert solution.empty == empty
    torch.testing.assert_close(
        solution.weights[list(empty)], torch.full((4,), 81 / 4).double(), rtol=1e-4, atol=0
    )
    seen = [k for k in range(81) if k not in empty]
    assert solution.weights[seen].abs().max() < 1e-6
    # How many of the others are negative is a matter of rounding; it has to be said, however.
    assert solution.negative == tuple((solution.weights < 0).nonzero()[:, 0].tolist())
    kept = f"{len(solution.negative)} negative weights kept"
    assert (kept in solution.action) == bool(solution.negative)


def test_repair_leaves_classes_without_samples_out_with_weight_one() -> None:
    matrix = detector_matrix(30)
    empty = [4, 11, 29]
    matrix[:, empty] = 0
    solution = direct_weights(matrix, repair=True)
    assert solution.weights[empty].tolist() == [1, 1, 1]
    assert solution.weights.min() > 0
    assert float(solution.weights.sum()) == pytest.approx(30)
    assert solution.action == "3 classes without samples left out with weight 1"
    # The others solve the system of a detector that has no such logits.
    seen = [k for k in range(30) if k not in empty]
    rest = matrix[seen][:, seen]
    rest = rest - rest.sum(0).diag()
    torch.testing.assert_close(solution.weights[seen], direct_weights(rest).weights)


def test_faded_classes_stay_positive_in_float64_and_turn_negative_in_float32() -> None:
    matrix = detector_matrix(366)
    matrix[:, 180:365:3] *= 1e-6
    assert direct_weights(matrix).negative == ()
    single = direct_weights(matrix, dtype=torch.float32)
    assert len(single.negative) > 5
    repaired = direct_weights(matrix, dtype=torch.float32, repair=True)
    assert repaired.weights.min() >= 0
    assert float(repaired.weights.sum()) == pytest.approx(366)


@pytest.mark.parametrize("repair", [False, True])
def test_nothing_seen_gives_ones(repair: bool) -> None:
    solution = direct_weights(torch.zeros(6, 6), repair=repair)
    torch.testing.assert_close(solution.weights, torch.ones(6).double())
    assert solution.empty == (0, 1, 2, 3, 4, 5)


def test_classes_that_never_meet_are_solved_without_failing() -> None:
    block = torch.tensor([[-1.0, 2.0], [1.0, -2.0]])
    solution = direct_weights(torch.block_diag(block, 3 * block))
    assert (torch.block_diag(block, 3 * block).double() @ solution.weights).abs().max() < 1e-12
    assert float(solution.weights.sum()) == pytest.approx(4)


def test_a_matrix_that_is_not_finite_is_an_error() -> None:
    matrix = detector_matrix(5)
    matrix[1, 2] = torch.nan
    with pytest.raises(GbssError, match="1 entries that are NaN or infinite"):
        direct_weights(matrix)


def test_training_to_convergence_gives_the_losses_own_weights_back() -> None:
    """A linear model's bias gradients vanish, and those are the system's equations."""
    torch.manual_seed(3)
    centres = torch.randn(4, 3, dtype=torch.float64)
    labels = torch.arange(120) % 7 // 2
    features = centres[labels] + torch.randn(120, 3, dtype=torch.float64)
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    layer = torch.nn.Linear(3, 4, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(
        layer.parameters(), max_iter=300, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = torch.nn.functional.cross_entropy(layer(features), labels, reduction="none")
        loss = (weights[labels] * losses).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    solved = direct_weights(gradient_matrix(layer(features), labels)).weights
    torch.testing.assert_close(solved, weights * 4 / weights.sum(), rtol=1e-4, atol=0)


def fit(module: JacobiWeights, matrix: Tensor, steps: int, rate: float) -> Tensor:
    optimiser = torch.optim.SGD(module.parameters(), lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        module.loss(matrix, iteration=module.warmup + 1).backward()
        optimiser.step()
    return module.weights(module.warmup)


@pytest.mark.parametrize("classes", [5, 13, 81])
def test_jacobi_fixed_point_is_the_direct_solution_where_no_bound_is_active(classes: int) -> None:
    matrix = detector_matrix(classes)
    module = JacobiWeights(classes, warmup=0, bounds=(0.01, 50), loss_weight=1).double()
    # A step of C / 4 moves a half of the way to log t.
    found = fit(module, matrix, steps=400, rate=classes / 4)
    expected = direct_weights(matrix).weights
    assert expected.min() > 0.02
    assert expected.max() < 45
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_undamped_iteration_of_two_classes_cycles_and_the_module_does_not() -> None:
    matrix = torch.tensor([[-1.0, 2.0], [1.0, -2.0]], dtype=torch.float64)
    wide = (1e-3, 1e3)
    start = torch.tensor([1.0, 1.0], dtype=torch.float64)
    once = jacobi_target(start, matrix, bounds=wide)
    twice = jacobi_target(once, matrix, bounds=wide)
    assert (once - start).abs().max() > 0.4
    torch.testing.assert_close(twice, start, rtol=1e-6, atol=0)
    found = fit(JacobiWeights(2, warmup=0, bounds=wide, loss_weight=1).double(), matrix, 100, 0.5)
    torch.testing.assert_close(found, torch.tensor([4 / 3, 2 / 3]).double(), rtol=1e-5, atol=0)


def test_jacobi_target_by_hand() -> None:
    matrix = torch.tensor([[-4.0, 1.0, 2.0], [3.0, -2.0, 5.0], [1.0, 1.0, -7.0]])
    weights = torch.tensor([2.0, 0.5, 10.0])
    target = jacobi_target(weights, matrix, bounds=(0.1, 100))
    torch.testing.assert_close(target, torch.tensor([20.5 / 4, 56 / 2, 2.5 / 7]))
    torch.testing.assert_close(jacobi_target(weights, matrix), torch.tensor([5.0, 5.0, 2.5 / 7]))


def test_classes_without_samples_go_to_the_upper_bound_or_stay_if_nothing_pushes_them() -> None:
    matrix = detector_matrix(9).float()
    matrix[:, 4] = 0
    assert jacobi_target(torch.ones(9), matrix)[4] == 5
    matrix[4] = 0
    weights = torch.full((9,), 0.9)
    assert jacobi_target(weights, matrix)[4] == pytest.approx(0.9)


def test_bounds_hold_for_many_classes_without_samples() -> None:
    matrix = detector_matrix(40).float()
    matrix[:, 25:39] = 0
    weights = fit(JacobiWeights(40, warmup=0, loss_weight=1), matrix, 1500, 10)
    assert weights.isfinite().all()
    assert float(weights.sum()) == pytest.approx(40, rel=1e-5)
    assert weights[25:39].min() > 1.5
    assert weights[:25].max() < 1


def test_mixed_precision_changes_nothing() -> None:
    matrix = detector_matrix(9).float()
    module = JacobiWeights(9, warmup=0)
    with torch.no_grad():
        module.a.copy_(torch.linspace(-0.3, 0.4, 9))
    expected = module.loss(matrix, 1).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert module.loss(matrix, 1).item() == expected


def release_target_restated(weights: Tensor, matrix: Tensor) -> Tensor:
    """The released update, plainly: row = sample's class, scale 100, background by difference."""
    released = 100 * matrix.T
    classes = len(weights)
    target = torch.zeros_like(weights)
    for i in range(classes):
        column = sum(weights[k] * released[k, i] for k in range(classes))
        target[i] = column / (-released[i, i] + 1e-6) + weights[i]
    background = classes - target[:-1].sum()
    target[-1] = background
    target = target.clamp(1 / 3, 5)
    target[-1] = target[-1].clamp(1 / 3, 1)
    return target


def test_release_jacobi_target_equals_its_plain_restatement() -> None:
    torch.manual_seed(2)
    matrix = detector_matrix(17)
    for scale in (0.1, 3.0):
        weights = (scale * torch.randn(17, dtype=torch.float64)).softmax(0) * 17
        found = jacobi_target(weights, matrix, variant="release")
        torch.testing.assert_close(found, release_target_restated(weights, matrix))
        paper = jacobi_target(weights, matrix)
        torch.testing.assert_close(found[:-1], paper[:-1])


def test_release_loss_and_its_gradient() -> None:
    matrix = detector_matrix(6)
    module = JacobiWeights(6, warmup=7, variant="release").double()
    with torch.no_grad():
        module.a.copy_(torch.tensor([0.3, -0.2, 0.5, 0.0, -0.7, 0.1]))
    weights = 6 * module.a.detach().softmax(0)
    torch.testing.assert_close(module.weights(7), weights)
    expected = (release_target_restated(weights, matrix).log() - module.a.detach()) ** 2
    loss = module.loss(matrix, 8)
    assert loss.item() == pytest.approx(5 * float(expected.mean()))
    loss.backward()
    # The target is a constant: only -a_i of the square has a gradient.
    slope = -2 * 5 / 6 * (release_target_restated(weights, matrix).log() - module.a.detach())
    torch.testing.assert_close(module.a.grad, slope)


@pytest.mark.parametrize(("variant", "first"), [("paper", 7), ("release", 8)])
def test_warmup_keeps_ones_and_a_zero_loss(variant: str, first: int) -> None:
    module = JacobiWeights(5, warmup=7, variant=variant)
    matrix = detector_matrix(5).float()
    with torch.no_grad():
        module.a[2] = 1.0
    assert module.weights(6).tolist() == [1] * 5
    assert module.weights(7)[2] > 1
    before, after = module.loss(matrix, first - 1), module.loss(matrix, first)
    assert before.item() == 0
    assert before.requires_grad
    assert after.item() > 0


def test_direct_module_solves_at_its_interval_and_resumes() -> None:
    module = DirectWeights(13, warmup=10, interval=4)
    first, second = detector_matrix(13), detector_matrix(13, seed=1)
    module.update(first, 9)
    assert module.solved.tolist() == [1] * 13
    module.update(first, 10)
    module.update(second, 13)
    torch.testing.assert_close(module.weights(13), direct_weights(first).weights.float())
    assert module.weights(9).tolist() == [1] * 13
    other = DirectWeights(13, warmup=10, interval=4)
    other.load_state_dict(module.state_dict())
    for each in (module, other):
        each.update(second, 14)
    assert torch.equal(module.weights(14), other.weights(14))
    torch.testing.assert_close(module.weights(14), direct_weights(second).weights.float())


def test_sample_weights_by_hand() -> None:
    weights = torch.tensor([4.0, 0.1, 9.0, -3.0, 1.0])
    labels = torch.tensor([2, 0, 0, 3, 1, 4])
    found = sample_weights(weights, labels)
    torch.testing.assert_close(found, torch.tensor([5.0, 4.0, 4.0, 1 / 3, 1 / 3, 1.0]))
    half = sample_weights(weights, labels, beta=0.5)
    torch.testing.assert_close(half, found.sqrt())
    assert sample_weights(weights, labels, beta=0.0).tolist() == [1] * 6


def test_factors_are_smoothed_on_labeled_rows_only_and_normalised_per_step() -> None:
    weights = torch.tensor([4.0, 0.5, 1.0])
    labeled, pseudo = torch.tensor([0, 0, 1]), torch.tensor([1, 2, 0, 0, 2])
    module = SampleWeights(beta=0.5, momentum=0.9)
    first = module(weights, labeled, "labeled")
    torch.testing.assert_close(first, torch.tensor([2.0, 2.0, 0.5**0.5]))
    second = module(weights, pseudo, "pseudo")
    torch.testing.assert_close(second, torch.tensor([0.5, 1, 4, 4, 1]))
    module.step()
    mean = 0.9 + 0.1 * float(torch.cat([first, second]).mean())
    assert float(module.mean) == pytest.approx(mean)
    torch.testing.assert_close(module(weights, pseudo, "pseudo"), second / mean)
    module(weights, torch.zeros(0, dtype=torch.long), "labeled")
    assert float(module.mean) == pytest.approx(mean)


def test_release_normaliser_equals_its_plain_restatement() -> None:
    torch.manual_seed(5)
    module = SampleWeights(beta=0.8, variant="release")
    mean = 1.0
    for step in range(6):
        weights = 2 * torch.rand(9)
        labels = torch.randint(9, (37 + step,))
        branch, beta = (("labeled", 0.8), ("pseudo", 1.0))[step % 2]
        factors = weights.clamp(1 / 3, 5)[labels] ** beta
        mean = 0.999 * mean + 0.001 * float(factors.mean())
        torch.testing.assert_close(module(weights, labels, branch), factors / mean)
        module.step()
    assert float(module.mean) == pytest.approx(mean, rel=1e-6)


def test_normaliser_resumes_and_is_unmoved_by_a_step_without_samples() -> None:
    module = SampleWeights()
    module(torch.tensor([3.0, 1.0]), torch.tensor([0, 0, 1]), "labeled")
    module.step()
    module.step()
    other = SampleWeights()
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.mean, module.mean)
    assert float(other.mean) > 1
    assert set(module.state_dict()) == {"mean"}


def test_impossible_settings_are_errors() -> None:
    with pytest.raises(GbssError, match=r"SampleWeights: beta\n.*found: +-0\.1"):
        SampleWeights(beta=-0.1)
    with pytest.raises(GbssError, match="SampleWeights: beta"):
        SampleWeights(beta=float("nan"))
    with pytest.raises(GbssError, match="JacobiWeights: bounds"):
        JacobiWeights(4, warmup=0, bounds=(0.0, 5.0))
    with pytest.raises(GbssError, match="SampleWeights: bounds"):
        SampleWeights(bounds=(1.5, 5.0))
    with pytest.raises(GbssError, match="JacobiWeights: warmup"):
        JacobiWeights(4, warmup=-1)
    with pytest.raises(GbssError, match="DirectWeights: interval"):
        DirectWeights(4, warmup=0, interval=0)
