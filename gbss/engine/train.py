"""Training: one run from its seed to its final weights, resumable at any moment."""

from __future__ import annotations

import itertools
import json
import os
import warnings
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dist import get_world_size, init_dist, is_main_process
from mmengine.runner import Runner

from gbss.configs.resolve import processes, resolve
from gbss.detection.checkpoints import (
    checkpoint_iteration,
    checkpoint_path,
    read_checkpoint,
    write_checkpoint,
)
from gbss.detection.progress import SECONDS
from gbss.detection.stopping import REQUEST
from gbss.engine.failures import recorded, refuse_repetition
from gbss.engine.run import Run, prepare
from gbss.engine.staging import staged
from gbss.errors import Faults, Stopped, fail
from gbss.files import read_json, write_json
from gbss.locks import locked
from gbss.notes import mark
from gbss.splits.annotations import read as read_annotations

PATIENCE = timedelta(days=7)
"""How long processes wait for one that waits for a lock, looks for images or stages them. Once they
train, one that does not answer ends them all, after the usual time."""

_NUMBERS = itertools.count(1)
"""Of the runners of this process, in the order of their start."""


def train(run: Run, *, again: bool = False) -> None:
    """Trains a run, or goes on with it, and writes its final weights.

    In the run's folder: ``run.json`` (settings, versions, seed, time), ``config.py`` (the resolved
    configuration), ``checkpoints/``, mmengine's logs, ``progress.json``, after a fault of the run's
    own ``failed.json``, and at the end ``model.pth``. Under torchrun every process calls this; the
    first one alone writes.

    Args:
        run: The run.
        again: Start it even if it failed before with the same settings and inputs.

    Raises:
        GbssError: An input is missing or broken, another process trains this run, the loss is no
            longer a number, or was none in an earlier attempt.
        Stopped: A signal asked for it; a checkpoint is there.
    """
    quiet()
    limit_threads(run, "train")
    config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, run.folder)
    patient = None
    if config.launcher != "none":
        check_parts(run)
        patient = join_processes(config)
    with (
        locked(run.folder, "training") if is_main_process() else nullcontext(),
        recorded(run.folder, None, lambda: 0),
    ):
        found: list[Any] = [_prepare(run, config, again=again) if is_main_process() else None]
        if patient is not None:
            dist.broadcast_object_list(found, group=patient)
        checkpoint, identity = found[0]
        if checkpoint is not None:
            config.load_from, config.resume = str(checkpoint), True
        config.custom_hooks[-1].identity = identity
        _read_from_stage(run, config)
        if patient is not None:
            dist.barrier(group=patient)
        _train(run, config, identity)


def _train(run: Run, config: Config, identity: str) -> None:
    """Trains with everything prepared; a signal or an own fault leaves its note."""
    runner: Runner | None = None
    with REQUEST:
        try:
            with recorded(run.folder, identity, lambda: runner.iter if runner else 0):
                runner = build_runner(config)
                runner.train()
                if is_main_process():
                    _finish(run, runner)
        except Stopped:
            if is_main_process():
                mark(run.folder, "stopped", checkpoint_iteration(run.folder))
            raise
        if is_main_process():
            mark(run.folder, "finished", runner.iter)


def build_runner(config: Config) -> Runner:
    """The runner of mmengine for a configuration, whose name gets a number.

    mmengine keeps logger, message hub and visualizer by a name that ends with the second: two
    runners that a process starts within one second would share them, and where they write.
    """
    config.experiment_name = f"{config.experiment_name}-{next(_NUMBERS)}"
    return Runner.from_cfg(config)


def check_parts(run: Run) -> None:
    """Refuses a number of processes that cannot share the parts of a batch."""
    if (parts := run.scale.batch.parts) % processes():
        raise fail(
            "torchrun",
            found=f"{processes()} processes for the {parts} parts of a batch",
            expected="a number that divides the number of parts",
            fix="start fewer processes, or let `gbss train` start them",
        )


def join_processes(config: Config) -> dist.ProcessGroup:
    """Connects the processes that torchrun started; returns all of them, with `PATIENCE`."""
    if torch.cuda.is_available():
        init_dist(config.launcher, **config.env_cfg.dist_cfg)
    else:
        # mmengine's own way chooses a GPU for each process.
        dist.init_process_group(config.env_cfg.dist_cfg.backend)
    return dist.new_group(backend="gloo", timeout=PATIENCE)


def quiet() -> None:
    """Silences what libraries say and users cannot change; errors and our own words stay."""
    warnings.filterwarnings("ignore", module=r"mmdet|mmengine|mmcv|torch")


def _prepare(run: Run, config: Config, *, again: bool) -> tuple[Path | None, str]:
    """Checks the inputs and makes the run's folder ready; what to resume from, and its identity."""
    identity = run.identity(plain(config))
    refuse_repetition(run.folder, identity, again=again)
    check_inputs(run)
    checkpoint = prepare(run, plain(config), identity)
    # A new one, as `resolve` turns the layout off.
    Config(config.to_dict()).dump(str(run.folder / "config.py"))
    return checkpoint, identity


def _read_from_stage(run: Run, config: Config) -> None:
    """Lets the datasets read from a disk of this machine, if that is asked for."""
    inputs = run.inputs
    labeled, unlabeled = config.train_dataloader.dataset.datasets
    sources = [
        (labeled, inputs.train_images, inputs.labeled),
        (unlabeled, inputs.unlabeled_images, inputs.unlabeled),
    ]
    if "val_dataloader" in config:
        sources.append((config.val_dataloader.dataset, inputs.val_images, inputs.val))
    for dataset, folder, file in sources:
        images, annotations = staged(folder, file)
        dataset.ann_file, dataset.data_prefix.img = str(annotations), str(images)


def limit_threads(run: Run, rule: str) -> None:
    """Keeps torch and OpenCV to the cores that the scale gives a job of a rule."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(max(1, run.scale.resources[rule].threads // processes))
    cv2.setNumThreads(0)


def check_inputs(run: Run) -> None:
    """Reads the annotation files of a run and looks for every image, before hours of training.

    mmdet would train on nothing, without a word, if no category had a name of the task.

    Raises:
        GbssError: With all faults of a file.
    """
    inputs = run.inputs
    with Faults() as faults:
        for path, folder in (
            (inputs.labeled, inputs.train_images),
            (inputs.unlabeled, inputs.unlabeled_images),
            (inputs.val, inputs.val_images),
        ):
            names = read_annotations(path, classes=run.task.classes).file_names
            missing = [name for name in names if not (folder / name).is_file()]
            if missing:
                faults.add(
                    f"{path}: images",
                    found=f"{len(missing)} files are missing, the first is {missing[0]}",
                    expected=f"every image in {folder}",
                    fix="fetch the images, or correct the data root of the scale",
                )


def plain(config: Config) -> dict[str, Any]:
    """A configuration as JSON would keep it: tuples are lists."""
    value: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return value


def _finish(run: Run, runner: Runner) -> None:
    """Completes the manifest and keeps the last checkpoint without the state of the training."""
    manifest = read_json(run.manifest, what="manifest of a run")
    manifest["training"] = {
        "iterations": runner.iter,
        "seconds": runner.message_hub.get_info(SECONDS),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "processes": get_world_size(),
    }
    write_json(run.manifest, manifest)
    last = read_checkpoint(checkpoint_path(run.folder, run.scale.schedule.iterations))
    meta = {"run": run.name, "identity": manifest["identity"]}
    detector = {
        key: value for key, value in last["state_dict"].items() if not key.startswith("method.")
    }
    write_checkpoint(run.model, {"state_dict": detector, "meta": meta})
