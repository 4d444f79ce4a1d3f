"""The linear system of GbR, solved directly; used through `gbss.imbalance.reweighting`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gbss.errors import fail
from gbss.imbalance.variant import check_range


@dataclass(frozen=True)
class DirectSolution:
    """Class weights from the linear system, and what had to be done to get them.

    Attributes:
        weights: (C,) on the CPU, sum n + 1.
        empty: Classes whose samples caused no gradient: none were seen.
        negative: Classes that the system gives a negative weight.
        action: What was done, in one sentence.
    """

    weights: Tensor
    empty: tuple[int, ...]
    negative: tuple[int, ...]
    action: str


def direct_weights(
    matrix: Tensor, *, repair: bool = False, dtype: torch.dtype = torch.float64
) -> DirectSolution:
    """Solves w_i G_ii = -Σ_{k≠i} w_k G_ik with Σ w = n + 1 (supplement, eqs. 1 and 2).

    Any one equation follows from the others, so the background's makes room for the sum. The
    matrix is the generator of a Markov chain with a stationary distribution ∝ w: positive where
    every class has samples. A class without samples is absorbing. The system as it stands gives
    such classes the whole sum and the others rounding noise of either sign: the negative weights
    that the paper reports. With ``repair`` they leave the system with w = 1.

    Args:
        matrix: (C, C) gradient matrix, background last.
        repair: Take empty classes out, restore the column sums of the others, set what is
            negative by rounding to 0.
        dtype: Precision of the solution; float32 shows negative weights for faded classes.

    Raises:
        GbssError: The matrix is not finite.
    """
    if not bool(matrix.isfinite().all()):
        raise fail(
            "direct_weights: matrix",
            found=f"{int((~matrix.isfinite()).sum())} entries that are NaN or infinite",
            expected="finite gradients",
            fix="leave batches with a non-finite loss out, as GradientStatistics does",
        )
    system = matrix.detach().to("cpu", dtype)
    absent = system.diagonal() == 0
    if repair:
        weights = torch.ones_like(system[0])
        if not bool(absent.all()):
            weights[~absent] = _solve(_restored(system[~absent][:, ~absent]))
    else:
        weights = _solve(system)
    empty, negative = _indices(absent), _indices(weights < 0)
    if repair and negative:
        weights = weights.clamp(min=0)
        weights *= len(weights) / weights.sum()
    return DirectSolution(weights, empty, negative, _action(empty, negative, repair))


def _solve(system: Tensor) -> Tensor:
    """Solution of Σ_k w_k G_ik = 0, Σ w = C; the shortest one where there are several."""
    scaled = system / system.abs().max().clamp(min=torch.finfo(system.dtype).tiny)
    target = torch.zeros_like(scaled[0])
    target[-1] = len(target)
    if int((scaled.diagonal() == 0).sum()) <= 1:
        square = scaled.clone()
        square[-1] = 1
        solution = torch.linalg.solve_ex(square, target)
        if not bool(solution.info):
            return torch.as_tensor(solution.result)
    stacked = torch.cat([scaled, torch.ones_like(scaled[:1])])
    target = torch.cat([torch.zeros_like(target), target[-1:]])
    shortest = torch.linalg.lstsq(stacked, target[:, None], driver="gelsd").solution
    return torch.as_tensor(shortest[:, 0])


def _restored(system: Tensor) -> Tensor:
    """The same off-diagonal entries with a diagonal that makes each column sum to 0."""
    others = system - system.diagonal().diag()
    return others - others.sum(0).diag()


def _indices(mask: Tensor) -> tuple[int, ...]:
    return tuple(mask.nonzero()[:, 0].tolist())


def _action(empty: tuple[int, ...], negative: tuple[int, ...], repair: bool) -> str:
    parts = []
    if empty:
        what = "left out with weight 1" if repair else "took the whole sum"
        parts.append(f"{len(empty)} classes without samples {what}")
    if negative:
        what = "set to 0" if repair else "kept"
        parts.append(f"{len(negative)} negative weights {what}")
    return "; ".join(parts) or "solved as it stands"


class DirectWeights(nn.Module):
    """Class weights by `direct_weights`, solved anew every ``interval`` iterations.

    Args:
        classes: C = n + 1.
        warmup: Iterations with w = 1 (supplement: 4,000 on COCO, 16,000 elsewhere).
        interval: Iterations between two solutions; each copies the matrix to the CPU.
        repair: See `direct_weights`; without it weights can be negative, as in the paper.
    """

    solved: Tensor

    def __init__(
        self, classes: int, *, warmup: int, interval: int = 1, repair: bool = False
    ) -> None:
        super().__init__()
        check_range("DirectWeights: warmup", warmup, 0, fix="use a number of iterations")
        check_range("DirectWeights: interval", interval, 1, fix="use at least 1 iteration")
        self.warmup = warmup
        self.interval = interval
        self.repair = repair
        self.register_buffer("solved", torch.ones(classes))

    def weights(self, iteration: int) -> Tensor:
        """(C,) weights to use in this iteration; 1 during warm-up."""
        return self.solved if iteration >= self.warmup else torch.ones_like(self.solved)

    def update(self, matrix: Tensor, iteration: int) -> None:
        """Solves for the running ``matrix``, when warm-up is over and the interval has passed."""
        if iteration >= self.warmup and (iteration - self.warmup) % self.interval == 0:
            self.solved.copy_(direct_weights(matrix, repair=self.repair).weights)
