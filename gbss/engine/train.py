"""Training: one run from its seed to its final weights, resumable at any moment."""

from __future__ import annotations

import json
import os
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, init_dist, is_main_process
from mmengine.runner import Runner

from gbss.configs.resolve import resolve
from gbss.detection.checkpoints import checkpoint_path, read_checkpoint
from gbss.engine.run import Run, locked, newest_good_checkpoint, prepare
from gbss.errors import fail
from gbss.files import atomic_path, read_json, write_json
from gbss.splits.annotations import read as read_annotations


def train(run: Run) -> None:
    """Trains a run, or goes on with it, and writes its final weights.

    In the run's folder: ``run.json`` (settings, versions, seed, time), ``config.py`` (the resolved
    configuration), ``checkpoints/``, mmengine's logs, and at the end ``model.pth``. Under torchrun
    every process calls this; the first one alone writes.

    Raises:
        GbssError: An input is missing or broken, another process trains this run, or the loss is
            no longer a number.
    """
    quiet()
    limit_threads(run)
    config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, run.folder)
    if config.launcher != "none":
        join_processes(config)
    with locked(run.folder) if is_main_process() else nullcontext():
        found = [_prepare(run, config) if is_main_process() else None]
        broadcast_object_list(found)
        if found[0] is not None:
            config.load_from, config.resume = str(found[0]), True
        runner = Runner.from_cfg(config)
        start = time.monotonic()
        try:
            runner.train()
        finally:
            if is_main_process():
                _note_time(run, runner, time.monotonic() - start)
        if is_main_process():
            _write_model(run)


def join_processes(config: Config) -> None:
    """Connects the processes that torchrun started."""
    if torch.cuda.is_available():
        init_dist(config.launcher, **config.env_cfg.dist_cfg)
    else:
        # mmengine's own way chooses a GPU for each process.
        torch.distributed.init_process_group(config.env_cfg.dist_cfg.backend)


def quiet() -> None:
    """Silences what libraries say and users cannot change; errors and our own words stay."""
    warnings.filterwarnings("ignore", module=r"mmdet|mmengine|mmcv|torch")


def _prepare(run: Run, config: Config) -> Path | None:
    """Checks the inputs and makes the run's folder ready; returns what to resume from."""
    check_inputs(run)
    prepare(run, run.settings() | {"config": plain(config)})
    config.dump(str(run.folder / "config.py"))
    return newest_good_checkpoint(run.folder)


def limit_threads(run: Run) -> None:
    """Keeps torch and OpenCV to the cores that the scale gives a job."""
    torch.set_num_threads(run.scale.resources["train"].threads)
    cv2.setNumThreads(0)


def check_inputs(run: Run) -> None:
    """Reads the annotation files of the training and looks for every image.

    mmdet would train on nothing, without a word, if no category had a name of the task.

    Raises:
        GbssError: With all faults of a file.
    """
    for path in (run.inputs.labeled, run.inputs.unlabeled):
        annotations = read_annotations(path, classes=run.task.classes)
        present = {entry.name for entry in os.scandir(run.inputs.train_images)}
        missing = [name for name in annotations.file_names if name not in present]
        if missing:
            raise fail(
                f"{path}: images",
                found=f"{len(missing)} files are missing, the first is {missing[0]}",
                expected=f"every image in {run.inputs.train_images}",
                fix="fetch the images, or correct the data root of the scale",
            )


def plain(config: Config) -> dict[str, Any]:
    """A configuration as JSON would keep it: tuples are lists."""
    value: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return value


def _note_time(run: Run, runner: Runner, seconds: float) -> None:
    manifest = read_json(run.manifest, what="manifest of a run")
    training = manifest["training"]
    training["iterations"] = runner.iter
    training["seconds"] += seconds
    training["device"] = _device_name()
    write_json(run.manifest, manifest)


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _write_model(run: Run) -> None:
    """The last checkpoint without the state of the training."""
    last = read_checkpoint(checkpoint_path(run.folder, run.scale.schedule.iterations))
    with atomic_path(run.model) as beside:
        torch.save({"state_dict": last["state_dict"], "meta": {"run": run.name}}, beside)
