"""Trains the statistics for some steps on one process's share of the samples.

As a script it is one of several processes: ``training.py RANK WORLD STORE RESULT``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from gbss.imbalance.gradients import BRANCHES, GradientStatistics, gradient_matrix
from gbss.imbalance.resampling import (
    PseudoLabelPool,
    class_frequencies,
    class_repeat_factors,
    crs_repeat_factors,
)
from gbss.imbalance.reweighting import JacobiWeights, SampleWeights, direct_weights
from gbss.imbalance.thresholds import ClassThresholds

CLASSES, IMAGES, ROWS, STEPS = 6, 11, 61, 9


def share_of(count: int, rank: int, world: int) -> slice:
    """Uneven shares: with two processes the first has a third of the rows."""
    cut = count // 3
    return slice(None) if world == 1 else (slice(0, cut), slice(cut, count))[rank]


def train(rank: int, world: int, variant: str) -> dict[str, Tensor]:
    """Results after some steps on this process's share; equal for every number of processes."""
    statistics = GradientStatistics(CLASSES, warmup=4, momentum=0.9, variant=variant)
    jacobi = JacobiWeights(CLASSES, warmup=3, variant=variant)
    factors = SampleWeights(momentum=0.9, variant=variant)
    thresholds = ClassThresholds(CLASSES - 1, warmup=3, variant=variant)
    pool = PseudoLabelPool(IMAGES, CLASSES - 1)
    optimiser = torch.optim.SGD(jacobi.parameters(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(4)
    for step in range(STEPS):
        weights = jacobi.weights(step)
        for branch in BRANCHES:
            logits = 2 * torch.randn(ROWS, CLASSES, generator=generator)
            labels = torch.randint(CLASSES, (ROWS,), generator=generator)
            mine = share_of(ROWS, rank, world)
            factors(weights, labels[mine], branch)
            matrix = gradient_matrix(logits[mine], labels[mine], focal_gamma=1.0)
            statistics.observe(branch, matrix, len(labels[mine]))
        statistics.step()
        factors.step()
        optimiser.zero_grad()
        jacobi.loss(statistics.matrix(), step).backward()
        optimiser.step()

        images = torch.randint(IMAGES, (6,), generator=generator)
        slots = torch.arange(30) // 5
        scores = torch.rand(30, generator=generator) ** 0.3
        labels = torch.randint(CLASSES - 1, (30,), generator=generator)
        kept = torch.rand(30, generator=generator) < 0.6
        mine = share_of(6, rank, world)
        here = kept & (slots >= (mine.start or 0)) & (slots < (mine.stop or 6))
        thresholds.update(scores[here], labels[here])
        own_slots = slots[here] - (mine.start or 0)
        theta = thresholds(jacobi.weights(step), step)
        pool.add(step, images[mine], own_slots, labels[here], scores[here], theta, part=rank)
        if step % 4 == 3:
            pool.exchange()
            pool.merge()
    pool.exchange()
    frequencies = class_frequencies(torch.tensor([3, 0, 1, 7, 2]), 9, pool, variant=variant)
    return {
        "matrices": statistics.running,
        "weights": jacobi.weights(STEPS),
        "direct": direct_weights(statistics.matrix()).weights,
        "normaliser": factors.mean,
        "thresholds": thresholds(jacobi.weights(STEPS), STEPS),
        "mean scores": thresholds.mean_scores(),
        "pool": torch.stack([pool.images, pool.labels, pool.margins], 1),
        "repeat factors": crs_repeat_factors(pool, class_repeat_factors(frequencies, 20.0)),
        "pending": pool.pending[:, [0, 3, 4, 5]],
    }


def main(rank: int, world: int, store: str, result: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    torch.save({variant: train(rank, world, variant) for variant in ("paper", "release")}, result)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
