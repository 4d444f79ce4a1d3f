"""What the figures need of a run's course: arrays by snapshot, beside the checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from gbss.detection.method import Method
from gbss.detection.method_hooks import method_of
from gbss.files import atomic_path
from gbss.grid.logs import Arrays, read_training_log
from gbss.grid.place import TRAINING_LOG
from gbss.imbalance.gradients import positive_negative

COPIES = 16
"""Images repeated more often than this are counted with those repeated so often."""


def snapshot(method: Method, repeats: np.ndarray) -> Arrays:
    """The state of the method; C = n + 1 with the background last, branches labeled and pseudo.

    Args:
        method: With everything exchanged between the processes.
        repeats: (unlabeled images,) how often each is repeated.

    Returns:
        ``positive`` and ``negative`` (2, C) gradients of `positive_negative` per branch, the
        negative ones under w (equation 5; without GbR: 1; the losses themselves have w^β / m on
        labeled images and w / m on others), ``weights`` (C,),
        ``factor_mean`` () normaliser m of the factors (without GbR: 1), ``thresholds`` (n,),
        ``mean_scores`` (n,) of the teacher's detections, ``kept`` (n,) pseudo labels since the
        start of the run, summed over processes, ``class_repeats`` (n,) r_c of the unlabeled
        images' sampling, ``images_by_copies`` (`COPIES`,) unlabeled images that are repeated once,
        twice, and so on, and ``skipped`` (2,) batches left out of the statistics because they were
        not finite.
    """
    weights, factors = method.class_weights, method.factors
    # GbT without GbR has weights that no loss is multiplied by.
    in_loss = None if factors is None else weights
    branches = [positive_negative(matrix, in_loss) for matrix in method.statistics.running]
    by_copies = np.bincount(repeats.clip(1, COPIES) - 1, minlength=COPIES)
    tensors = {
        "weights": weights.float(),
        "factor_mean": torch.ones(()) if factors is None else factors.mean,
        "thresholds": method.class_thresholds,
        "mean_scores": method.thresholds.mean_scores(),
        "kept": method.kept,
        "class_repeats": method.class_repeats,
        "skipped": method.statistics.skipped,
    }
    return {
        "positive": np.stack([positive.cpu().numpy() for positive, _ in branches]),
        "negative": np.stack([negative.cpu().numpy() for _, negative in branches]),
        "images_by_copies": by_copies,
    } | {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}


class TrainingLogHook(Hook):
    """Takes snapshots, and writes them with every checkpoint.

    A resumed run cuts the file back to the checkpoint that it goes on from, so the log is that of
    an uninterrupted run.

    Args:
        interval: Iterations between two snapshots.
    """

    # After `ResampleHook`, before the checkpoint.
    priority = "LOW"

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.snapshots: list[Arrays] = []

    def before_train(self, runner: Runner) -> None:
        """Takes over what was logged before the run was interrupted."""
        path = Path(runner.work_dir) / TRAINING_LOG
        if runner.iter == 0 or not path.exists():
            return
        stored = read_training_log(path)
        for index in np.flatnonzero(stored["iteration"] <= runner.iter):
            self.snapshots.append({name: array[index] for name, array in stored.items()})

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Takes a snapshot when one is due."""
        done = runner.iter + 1
        if done % self.interval:
            return
        method = method_of(runner)
        method.exchange()
        repeats = runner.train_dataloader.sampler.copies_at(runner.iter)
        self.snapshots.append({"iteration": np.array(done)} | snapshot(method, repeats))

    def before_checkpoint(self, runner: Runner) -> None:
        """Writes all snapshots."""
        if self.snapshots and is_main_process():
            arrays = {
                name: np.stack([one[name] for one in self.snapshots]) for name in self.snapshots[0]
            }
            with (
                atomic_path(Path(runner.work_dir) / TRAINING_LOG) as beside,
                beside.open("wb") as stream,
            ):
                np.savez_compressed(stream, **cast(dict[str, Any], arrays))
