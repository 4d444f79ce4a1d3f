"""Hooks of the training loop: randomness, progress, checkpoints, an early stop on NaN."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank, master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from gbss.detection.checkpoints import checkpoint_files, checkpoint_path
from gbss.errors import fail
from gbss.files import atomic_path

SECONDS = "training_seconds"
"""Where mmengine's message hub, and so every checkpoint, holds the time that training has taken."""


class SeedHook(Hook):
    """Gives every iteration its own random state, made from seed, iteration and process.

    What is random in a step (region sampling, box jitter) then does not depend on how many steps
    the process has taken, and a resumed run repeats an uninterrupted one.
    """

    priority = "HIGHEST"

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any | None = None
    ) -> None:
        """Seeds Python, NumPy and torch."""
        words = np.random.SeedSequence((runner.seed, 3, runner.iter, get_rank())).generate_state(2)
        random.seed(int(words[0]))
        np.random.seed(int(words[0]))  # noqa: NPY002  (what the libraries draw from)
        torch.manual_seed(int(words[1]))


class ProgressHook(Hook):
    """Tells on standard error how far a run is, about twenty times; the log tells everything.

    It also keeps the time that training has taken, over all restarts, in what is saved with every
    checkpoint.

    Args:
        name: What to call the run.
    """

    priority = "VERY_LOW"

    def __init__(self, name: str) -> None:
        self.name = name

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Starts the clock, and says where a resumed run goes on."""
        self.start, self.first = time.monotonic(), runner.iter
        self.before = runner.message_hub.get_info(SECONDS, 0.0)
        if runner.iter:
            self._tell(f"goes on after iteration {runner.iter}")

    @master_only
    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Says iteration, speed and time left."""
        done, total = runner.iter + 1, runner.max_iters
        elapsed = time.monotonic() - self.start
        runner.message_hub.update_info(SECONDS, self.before + elapsed)
        if done % max(1, total // 20) and done != total:
            return
        pace = elapsed / (done - self.first)
        left = timedelta(seconds=round(pace * (total - done)))
        self._tell(f"{done}/{total} iterations, {pace:.2f} s each, {left} left")

    def _tell(self, text: str) -> None:
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)


class CheckpointHook(Hook):
    """Writes checkpoints beside, then renames; keeps the newest ones. Never keeps a NaN.

    First it calls ``before_checkpoint(runner)`` of every hook that has it, on all processes.

    Args:
        interval: Iterations between two checkpoints; the last iteration is always saved.
        keep: How many are kept. Two, as the newest may turn out to be unreadable.
    """

    # After the teacher's update, which belongs to the iteration that is saved.
    priority = "VERY_LOW"

    def __init__(self, interval: int, keep: int = 2) -> None:
        self.interval = interval
        self.keep = keep

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: Any | None = None,
    ) -> None:
        """Saves at the end of every interval and of the run."""
        done = runner.iter + 1
        if done % self.interval == 0 or done == runner.max_iters:
            runner.call_hook("before_checkpoint")
            self._save(runner, done)

    @master_only
    def _save(self, runner: Runner, done: int) -> None:
        folder = Path(runner.work_dir)
        broken = [
            name for name, value in runner.model.state_dict().items() if not _is_finite(value)
        ]
        if broken:
            raise fail(
                f"{folder}: iteration {done}",
                found=f"{len(broken)} weights that are not finite, the first is {broken[0]}",
                expected="finite weights",
                fix=_SLOWER,
            )
        with atomic_path(checkpoint_path(folder, done)) as beside:
            runner.save_checkpoint(str(beside.parent), beside.name, by_epoch=False)
        for old in checkpoint_files(folder)[self.keep :]:
            old.unlink()


class InvalidLossHook(Hook):
    """Ends a run whose loss is no longer a number, before a checkpoint keeps it.

    Args:
        interval: Iterations between two looks; reading a loss makes a GPU wait.
    """

    priority = "LOW"

    def __init__(self, interval: int) -> None:
        self.interval = interval

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Looks at every loss.

        Raises:
            GbssError: One of them is NaN or infinite.
        """
        if (runner.iter + 1) % self.interval or not outputs:
            return
        invalid = {name: value for name, value in outputs.items() if not _is_finite(value)}
        if invalid:
            raise fail(
                f"{runner.work_dir}: iteration {runner.iter + 1}",
                found=", ".join(f"{name} is not a finite number" for name in sorted(invalid)),
                expected="finite losses",
                fix=_SLOWER,
            )


_SLOWER = "lower the learning rate or lengthen the warm-up; see the log for the losses"


def _is_finite(value: Tensor | Sequence[Tensor]) -> bool:
    values = value if isinstance(value, Sequence) else [value]
    return all(bool(torch.isfinite(item).all()) for item in values)
