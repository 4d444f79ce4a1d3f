"""Hooks of the training loop: randomness, checkpoints, an early stop on NaN."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from gbss.detection.checkpoints import check_fit, checkpoint_files, checkpoint_path
from gbss.detection.parts import Share
from gbss.detection.stopping import REQUEST
from gbss.errors import Stopped, fail
from gbss.files import atomic_path


class SeedHook(Hook):
    """Gives every part of every iteration its own random state, made from seed and numbers.

    What is random in a step (region sampling, box jitter) then does not depend on how many steps
    the process has taken, and a resumed run repeats an uninterrupted one. Nor does it depend on the
    process that a part falls to.

    Args:
        parts: Of a batch, over all processes.
    """

    priority = "HIGHEST"

    def __init__(self, parts: int = 1) -> None:
        self.parts = parts

    def before_train(self, runner: Runner) -> None:
        """Tells the detector which parts are this process's."""
        rank, processes = get_dist_info()
        count = self.parts // processes
        detector = getattr(runner.model, "module", runner.model)
        detector.share = Share(rank * count, count, lambda part: _seed(runner, part))


def _seed(runner: Runner, part: int) -> None:
    """Seeds Python, NumPy and torch."""
    words = np.random.SeedSequence((runner.seed, 3, runner.iter, part)).generate_state(2)
    random.seed(int(words[0]))
    np.random.seed(int(words[0]))  # noqa: NPY002  (what the libraries draw from)
    torch.manual_seed(int(words[1]))


class CheckpointHook(Hook):
    """Writes checkpoints beside, then renames; keeps the newest ones. Never keeps a NaN.

    First it calls ``before_checkpoint(runner)`` of every hook that has it, on all processes. A
    process that is asked to stop ends the run with a checkpoint, on all of them.

    Args:
        interval: Iterations between two checkpoints; the last iteration is always saved.
        keep: How many are kept. Two, as the newest may turn out to be unreadable.
        identity: Of the run, kept in every checkpoint; one of another run is refused.
    """

    # After the teacher's update, which belongs to the iteration that is saved.
    priority = "VERY_LOW"

    def __init__(self, interval: int, keep: int = 2, identity: str | None = None) -> None:
        self.interval = interval
        self.keep = keep
        self.identity = identity

    def before_train(self, runner: Runner) -> None:
        """Asks for the first time, as building a model takes a while."""
        REQUEST.connect()
        if REQUEST.agreed():
            raise Stopped("stopped before the first iteration", REQUEST.status)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: Any | None = None,
    ) -> None:
        """Saves at the end of every interval and of the run, and when it is asked to stop.

        Raises:
            Stopped: It was asked to stop, and the checkpoint is there.
        """
        done = runner.iter + 1
        last, stop = done == runner.max_iters, REQUEST.agreed()
        if done % self.interval == 0 or last or stop:
            runner.call_hook("before_checkpoint")
            self._save(runner, done)
        if stop and not last:
            _stop(done)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Does not let a stop wait for all validation images; what was trained is saved already.

        Raises:
            Stopped: It was asked to stop.
        """
        if REQUEST.agreed():
            _stop(runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds whose checkpoint it is."""
        checkpoint["meta"]["identity"] = self.identity

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuses what does not fit; mmengine would go on with random weights.

        It would also run the configuration in the checkpoint, which is Python code.
        """
        checkpoint["meta"].pop("config", None)
        model = getattr(runner.model, "module", runner.model)
        check_fit(checkpoint["state_dict"], model.state_dict(), runner.work_dir)

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


def _stop(done: int) -> None:
    REQUEST.wait()
    text = f"stopped after iteration {done}; the same command goes on from there"
    raise Stopped(text, REQUEST.status)


_SLOWER = "lower the learning rate or lengthen the warm-up; see the log for the losses"


def _is_finite(value: Tensor | Sequence[Tensor]) -> bool:
    values = value if isinstance(value, Sequence) else [value]
    return all(bool(torch.isfinite(item).all()) for item in values)
