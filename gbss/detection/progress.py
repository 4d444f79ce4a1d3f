"""What a training run tells while it runs: lines on standard error, and ``progress.json``."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from gbss.detection.validation import TeacherAP
from gbss.evaluation.groups import ALL
from gbss.notes import Progress, here, mark, read_progress, write_progress

SECONDS = "training_seconds"
"""Where mmengine's message hub, and so every checkpoint, holds the time that training has taken."""

WRITTEN_EVERY = 30.0
"""Seconds between two writings of the progress, if no line is due before."""


class ProgressHook(Hook):
    """Tells on standard error how far a run is, about twenty times; the log tells everything.

    It also keeps the time that training has taken, over all restarts and without validation, in
    what is saved with every checkpoint, and writes the run's `gbss.notes.Progress`.

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
        self.written, self.counted = self.start, runner.iter
        self.watched: dict[str, Any] = {}
        told = read_progress(Path(runner.work_dir))
        # Later than where training goes on, it was of weights that are lost.
        if told is not None and told.ap_iteration is not None and told.ap_iteration <= runner.iter:
            self.watched = {"ap": told.ap, "ap_iteration": told.ap_iteration}
        self._write(runner, runner.iter, None)
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
        now = time.monotonic()
        elapsed = now - self.start
        runner.message_hub.update_info(SECONDS, self.before + elapsed)
        due = done % max(1, total // 20) == 0 or done == total
        if due or now - self.written > WRITTEN_EVERY:
            self._write(runner, done, outputs)
        if not due:
            return
        pace = elapsed / (done - self.first)
        left = timedelta(seconds=round(pace * (total - done)))
        self._tell(f"{done}/{total} iterations, {pace:.2f} s each, {left} left")

    @master_only
    def before_val(self, runner: Runner) -> None:
        """Stops the clock of the training."""
        self.looking = self.signed = time.monotonic()

    @master_only
    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Gives a sign of life."""
        if time.monotonic() - self.signed > WRITTEN_EVERY:
            mark(Path(runner.work_dir), "training", runner.iter)
            self.signed = time.monotonic()

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, float] | None = None) -> None:
        """Tells the AP of the teacher, and lets the clock go on."""
        aps = {
            name.removeprefix(f"{TeacherAP.default_prefix}/"): value
            for name, value in (metrics or {}).items()
        }
        took = time.monotonic() - self.looking
        self.start, self.written = self.start + took, self.written + took
        ap = None if math.isnan(aps[ALL]) else aps[ALL]
        self.watched = {"ap": ap, "ap_iteration": runner.iter}
        mark(Path(runner.work_dir), "training", runner.iter, **self.watched)
        shown = ", ".join(
            f"{group} {'no ground truth' if math.isnan(value) else f'{100 * value:.1f}'}"
            for group, value in aps.items()
        )
        self._tell(f"AP after iteration {runner.iter}: {shown}")

    def _tell(self, text: str) -> None:
        # Whoever reads it may have ended before us, when both get the same signal.
        with suppress(OSError):
            print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    def _write(self, runner: Runner, done: int, outputs: dict[str, Any] | None) -> None:
        now = time.monotonic()
        pace = (now - self.written) / (done - self.counted) if done > self.counted else None
        progress = Progress(
            state="training",
            iteration=done,
            total=runner.max_iters,
            pace=pace,
            losses={name: _number(value) for name, value in (outputs or {}).items()},
            processes=runner.world_size,
            pid=os.getpid(),
            **self.watched,
            **here(),
        )
        write_progress(Path(runner.work_dir), progress)
        self.written, self.counted = now, done


def _number(value: Tensor) -> float | None:
    """A loss as JSON can keep it; reading one makes a GPU wait."""
    number = float(value)
    return round(number, 6) if math.isfinite(number) else None
