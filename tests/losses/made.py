"""One of every loss, and batches for it; as a script, one of two processes that share a batch.

``made.py RANK STORE RESULT`` trains every loss for some steps on this process's share.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from gbss.detection.seesaw import SeesawLoss
from gbss.losses.base import ClassificationLoss
from gbss.losses.c2am import C2AMLoss
from gbss.losses.daso import Daso
from gbss.losses.eqlv2 import EQLv2Loss
from gbss.losses.logit_adjustment import LogitAdjustmentLoss
from gbss.losses.softmax_focal import SoftmaxFocalLoss

N, CLASSES, STEPS = 23, 5, 4
COUNTS = torch.tensor([40, 3, 0, 17, 9])
CLASSIFIER = torch.randn(CLASSES + 1, 7, generator=torch.Generator().manual_seed(2)).cumsum(0)


def prepared(loss: ClassificationLoss) -> ClassificationLoss:
    """A loss that knows what a detector would tell it."""
    loss.set_prior(COUNTS)
    loss.look_at(CLASSIFIER)
    return loss


MADE: dict[str, Callable[[], ClassificationLoss]] = {
    "c2am": lambda: prepared(C2AMLoss(20.0, alpha=0.8)),
    # A μ near the ratio of such batches, so that weights are neither 0 nor 1.
    "eqlv2": lambda: prepared(EQLv2Loss(CLASSES, mu=0.1)),
    "logit_adjustment": lambda: prepared(LogitAdjustmentLoss(CLASSES, tau=0.7)),
    "seesaw": lambda: prepared(SeesawLoss(CLASSES, p=0.6)),
    "softmax_focal": lambda: prepared(SoftmaxFocalLoss(1.5)),
}
"""File of a loss → one with settings that differ from those where it is cross-entropy."""


def batch(
    loss: ClassificationLoss, seed: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits with the loss's columns, labels without the last class, and weights."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(
        N, loss.get_cls_channels(CLASSES), generator=generator, dtype=torch.float64
    )
    labels = torch.randint(2 * CLASSES, (N,), generator=generator).clamp(max=CLASSES)
    labels[labels == CLASSES - 1] = CLASSES
    weights = torch.rand(N, generator=generator, dtype=torch.float64)
    return logits.to(dtype), labels, weights.to(dtype)


def trained(loss: ClassificationLoss, share: slice = slice(None), steps: int = STEPS) -> None:
    """Shows some batches to a loss."""
    for step in range(steps):
        logits, labels, weights = (each[share] for each in batch(loss, step))
        loss(logits, labels, weights)
        loss.step()


def probe(loss: ClassificationLoss) -> Tensor:
    """What a loss says of a batch that it has not seen."""
    found: Tensor = loss(*batch(loss, 99), reduction_override="none")
    return found


def blended(share: slice = slice(None)) -> Tensor:
    """What DASO makes of features, after it has seen some batches of boxes and pseudo labels."""
    daso = Daso(CLASSES, 3, warmup=0, length=9, window=3)
    generator = torch.Generator().manual_seed(5)
    for _ in range(STEPS):
        features = torch.randn(N, 3, generator=generator)
        labels, pseudo = torch.randint(CLASSES, (2, N), generator=generator).clamp(max=3)
        daso.observe(features[share], labels[share])
        daso.note(pseudo[share])
        daso.step()
    semantics = daso.semantics(torch.randn(N, 3, generator=generator))
    return daso.blend(torch.full_like(semantics, 1 / CLASSES), labels, semantics)


def main(rank: int, store: str, result: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    share = (slice(0, 7), slice(7, N))[rank]
    found = {"daso": blended(share)}
    for name, make in MADE.items():
        loss = make()
        trained(loss, share)
        found[name] = probe(loss)
    torch.save(found, result)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
