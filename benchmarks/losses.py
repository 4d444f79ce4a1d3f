"""Every classification loss against cross-entropy: forward and backward, side by side in one run.

``python benchmarks/losses.py [--samples 2560] [--classes 1203] [--rounds 15]`` prints the least
processor time of one forward and backward pass with label weights, the memory that it needs beyond
its inputs, and both as multiples of plain cross-entropy's. Losses that depend on earlier batches
take note of each, and end their step. The measured calls alternate; the least time is that of a
machine that did nothing else.
"""

from __future__ import annotations

import argparse
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
"""Multiple of cross-entropy's time above which a loss needs a reason."""

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


def one_pass(loss: ClassificationLoss, logits: Tensor, labels: Tensor, weights: Tensor) -> None:
    """Forward, backward and the end of the step."""
    z = logits.detach().requires_grad_()
    loss(z, labels, weights, avg_factor=float(len(labels))).backward()
    loss.step()


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
    seconds: dict[str, list[float]] = {name: [] for name in BOX_HEADS}
    for turn in range(arguments.rounds + 1):
        for name, loss in losses.items():
            start = time.process_time()
            one_pass(loss, *given[name])
            if turn:  # the first one warms up
                seconds[name].append(time.process_time() - start)
    print(f"N = {samples}, C = {classes + 1}, {arguments.threads} thread(s), {torch.__version__}")
    print(f"{'loss':26} {'seconds':>8} {'ratio':>6} {'MiB':>7} {'ratio':>6}")
    base = min(seconds["cross_entropy"])
    base_memory = added_memory("cross_entropy", samples, classes)
    for name in BOX_HEADS:
        least, memory = min(seconds[name]), added_memory(name, samples, classes)
        mark = f"  {REASONS.get(name, 'no reason')}" if least > LIMIT * base else ""
        print(
            f"{name:26} {least:8.4f} {least / base:6.2f} {memory:7.1f} "
            f"{memory / base_memory:6.2f}{mark}"
        )


if __name__ == "__main__":
    main()
