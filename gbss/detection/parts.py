"""A step whose batch is trained in parts, so that its result does not depend on the processes.

A batch consists of equal parts (the paper: 8, of 1 labeled and 4 unlabeled images). Each process
takes its share of them, one after the other, and adds up their gradients. What depends on the
images that are seen together - padding, normalisation of losses, random states, memory - depends on
the part alone. On one process, two or eight a step is the same up to the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """The parts of one process in a step.

    Attributes:
        first: Number of its first part, counted over all processes.
        count: How many parts it has.
        seed: Sets the random states for the part with a number.
    """

    first: int
    count: int
    seed: Callable[[int], None]


def train_step(model: Any, data: dict[str, Any], optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
    """One step of a detector, or of its wrapper, over the process's share of the batch.

    Args:
        model: `gbss.detection.semi.DetectorWithMethod` with a `Share`, or its wrapper.
        data: As collated: lists of images and samples by branch, part after part.
        optim_wrapper: See mmengine.

    Returns:
        What is logged: means over the parts.
    """
    detector = getattr(model, "module", model)
    share: Share = detector.share
    logged: dict[str, Tensor] = {}
    for index in range(share.count):
        detector.method.part = share.first + index
        detector.ends_step = last = index + 1 == share.count
        share.seed(share.first + index)
        # Gradients travel between the processes once, when the last part has added its own.
        with nullcontext() if last or model is detector else model.no_sync():
            with optim_wrapper.optim_context(model):
                part = detector.data_preprocessor(_part(data, index, share.count), True)
                losses = model._run_forward(part, mode="loss")  # noqa: SLF001  (mmengine's own step)
            loss, log = detector.parse_losses(losses)
            if last:
                optim_wrapper.update_params(loss)
            else:
                optim_wrapper.backward(optim_wrapper.scale_loss(loss))
        for name, value in log.items():
            logged[name] = logged.get(name, 0.0) + value.detach()
    return logged


def _part(data: Any, index: int, count: int) -> Any:
    """One of equal parts of every list, at any depth of dictionaries."""
    if isinstance(data, dict):
        return {name: _part(value, index, count) for name, value in data.items()}
    size = len(data) // count
    return data[index * size : (index + 1) * size]


class DistributedDetector(MMDistributedDataParallel):
    """The wrapper of a detector that is trained by several processes."""

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """See `train_step`."""
        return train_step(self, data, optim_wrapper)
