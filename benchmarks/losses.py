"""Every classification loss against cross-entropy: forward and backward, side by side in one run.

``python benchmarks/losses.py [--samples 2560] [--classes 1203] [--rounds 15]`` prints the least
processor time of a forward and of a backward pass with label weights, the memory that both need
beyond their inputs, and time and memory as multiples of plain cross-entropy's. Losses that depend
on earlier batches take note of each, and end their step, as part of the backward pass. The measured
calls alternate; the least time is that of a machine that did nothing else. A loss that takes more
than three times as much of either, and has no reason stated here, is an error.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from multiprocessing import get_context

import torch
from gradients import CHUNK, _peak_kib, inputs
from torch import Tensor
from torch.nn import functional

from gbss.configs.losses import BOX_HEADS
from gbss.experiments import load_experiments
from gbss.losses.base import ClassificationLoss

LIMIT = 3.0
"""Multiple of cross-entropy's time or memory above which a loss needs a reason."""

REASONS = {
    "c2am": "cosine, sine and slope of an angle for each class and foreground region",
    "seesaw": "mmdet's factors between each pair of classes, anew for each batch",
}
"""They are small beside the regions' features: a step of training takes seconds here."""


class CrossEntropy(ClassificationLoss):
    """What the others are measured against, with the same weights and reduction."""

    def terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, reduction="none")


def made(name: str, classes: int) -> ClassificationLoss:
    """The loss as a row's configuration has it."""
    row = load_experiments().rows["soft-teacher"]
    settings = dict(BOX_HEADS[name](row, classes).get("loss_cls", {}))
    module, _, kind = settings.pop("type", "").rpartition(".")
    loss: ClassificationLoss = CrossEntropy()
    if module:
        loss = getattr(import_module(module), kind)(**settings)
    generator = torch.Generator().manual_seed(3)
    loss.set_prior(torch.randint(1, 500, (classes,), generator=generator))
    loss.look_at(torch.randn(classes + 1, 64, generator=generator))
    return loss


def batch(name: str, samples: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits with as many columns as the loss has, labels and label weights."""
    logits, labels = inputs(samples, classes + 1)
    extra = made(name, classes).get_cls_channels(classes) - logits.shape[1]
    logits = torch.cat([logits, logits[:, :extra]], 1)
    return logits, labels, torch.rand(samples, generator=torch.Generator().manual_seed(1))


def one_pass(
    loss: ClassificationLoss, logits: Tensor, labels: Tensor, weights: Tensor
) -> tuple[float, float]:
    """Processor seconds of the forward pass, and of the backward pass and the end of the step."""
    z = logits.detach().requires_grad_()
    start = time.process_time()
    value = loss(z, labels, weights, avg_factor=float(len(labels)))
    middle = time.process_time()
    value.backward()
    loss.step()
    return middle - start, time.process_time() - middle


def added_memory(name: str, samples: int, classes: int) -> float:
    """MiB by which one pass raises a fresh process's peak memory; needs Linux's /proc."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_added_memory, (name, samples, classes))


def _added_memory(name: str, samples: int, classes: int) -> float:
    torch.set_num_threads(1)
    one_pass(made(name, classes), *batch(name, CHUNK, classes))
    loss, given = made(name, classes), batch(name, samples, classes)
    before = _peak_kib()
    one_pass(loss, *given)
    return (_peak_kib() - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2560)
    parser.add_argument("--classes", type=int, default=1203, help="without the background")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    samples, classes = arguments.samples, arguments.classes
    losses = {name: made(name, classes) for name in BOX_HEADS}
    given = {name: batch(name, samples, classes) for name in BOX_HEADS}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in BOX_HEADS}
    for turn in range(arguments.rounds + 1):
        for name, loss in losses.items():
            took = one_pass(loss, *given[name])
            if turn:  # the first one warms up
                seconds[name].append(took)
    print(f"N = {samples}, C = {classes + 1}, {arguments.threads} thread(s), {torch.__version__}")
    print(f"{'loss':26} {'forward':>8} {'backward':>8} {'ratio':>6} {'MiB':>7} {'ratio':>6}")
    base = sum(map(min, zip(*seconds["cross_entropy"], strict=True)))
    base_memory = max(added_memory("cross_entropy", samples, classes), 1 / 1024)
    unexplained = []
    for name in BOX_HEADS:
        forward, backward = map(min, zip(*seconds[name], strict=True))
        memory = added_memory(name, samples, classes)
        ratios = (forward + backward) / base, memory / base_memory
        mark = ""
        if max(ratios) > LIMIT:
            mark = f"  {REASONS.get(name, 'no reason')}"
            unexplained += [] if name in REASONS else [name]
        print(
            f"{name:26} {forward:8.4f} {backward:8.4f} {ratios[0]:6.2f} "
            f"{memory:7.1f} {ratios[1]:6.2f}{mark}"
        )
    if unexplained:
        sys.exit(f"more than {LIMIT:.0f} times without a reason: {', '.join(unexplained)}")


if __name__ == "__main__":
    main()
