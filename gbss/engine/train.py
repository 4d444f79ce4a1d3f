"""Training: one run from its seed to its final weights, resumable at any moment."""

from __future__ import annotations

import json
import os
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
from gbss.detection.checkpoints import checkpoint_path, read_checkpoint, write_checkpoint
from gbss.detection.hooks import SECONDS
from gbss.engine.run import Run, locked, prepare
from gbss.errors import Faults
from gbss.files import read_json, write_json
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
    limit_threads(run, "train")
    config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, run.folder)
    if config.launcher != "none":
        join_processes(config)
    with locked(run.folder) if is_main_process() else nullcontext():
        found = [_prepare(run, config) if is_main_process() else None]
        broadcast_object_list(found)
        if found[0] is not None:
            config.load_from, config.resume = str(found[0]), True
        runner = Runner.from_cfg(config)
        runner.train()
        if is_main_process():
            _finish(run, runner)


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
    checkpoint = prepare(run, plain(config))
    config.dump(str(run.folder / "config.py"))
    return checkpoint


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
    }
    write_json(run.manifest, manifest)
    last = read_checkpoint(checkpoint_path(run.folder, run.scale.schedule.iterations))
    meta = {"run": run.name, "identity": manifest["identity"]}
    detector = {
        key: value for key, value in last["state_dict"].items() if not key.startswith("method.")
    }
    write_checkpoint(run.model, {"state_dict": detector, "meta": meta})
