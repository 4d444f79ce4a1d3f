"""One resolved configuration from a task, a row, a scale and a seed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hub import get_config

from gbss.configs import method, semi
from gbss.configs.detectors import DETECTORS
from gbss.configs.pipelines import pipelines
from gbss.experiments import Row
from gbss.scales import Scale
from gbss.tasks import Task

BASE = "mmdet::soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py"
"""mmdet's own configuration of Soft Teacher: its thresholds, loss weights and views are ours."""


@dataclass(frozen=True)
class Inputs:
    """The files that a run is trained and tested with.

    Attributes:
        labeled: Annotation file of the labeled images.
        unlabeled: Annotation file of the unlabeled images, without annotations.
        train_images: Folder of both, or of the labeled ones.
        val: Annotation file of the validation images.
        val_images: Their folder.
        backbone: Pre-trained backbone.
        pool_images: Folder of the unlabeled images if they have one of their own.
        start: Final weights of the run that this one starts from; None: none.
    """

    labeled: Path
    unlabeled: Path
    train_images: Path
    val: Path
    val_images: Path
    backbone: Path
    pool_images: Path | None = None
    start: Path | None = None

    @property
    def unlabeled_images(self) -> Path:
        """Folder of the unlabeled images."""
        return self.pool_images or self.train_images

    @classmethod
    def of(cls, task: Task, scale: Scale) -> Inputs:
        """Where the workflow puts the inputs of a task at a scale."""
        root, split = scale.root(task.name), Path("build/splits") / task.name
        return cls(
            labeled=split / "labeled.json",
            unlabeled=split / "unlabeled.json",
            train_images=root / task.train_images,
            val=split / "val.json",
            val_images=root / task.files.val_images,
            backbone=Path("build") / scale.scale / "backbone.pth",
            pool_images=None if task.pool is None else root / task.pool.images,
        )


def processes() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def resolve(task: Task, row: Row, scale: Scale, seed: int, inputs: Inputs, folder: Path) -> Config:
    """The configuration that mmengine's runner takes.

    Args:
        task: The task at this scale.
        row: The choices of the method.
        scale: Schedule, batch and optimizer.
        seed: Of everything random in the run.
        inputs: Annotation files, images and backbone.
        folder: The run's folder.
    """
    base = get_config(BASE)
    views = pipelines(base, scale.detector, row.detector)
    detector = DETECTORS[scale.detector](len(task.classes), str(inputs.backbone))
    test_data = _test_data(task, scale, inputs, views["test"])
    return Config(
        {
            "default_scope": "mmdet",
            "work_dir": str(folder),
            "experiment_name": "train",
            "randomness": {"seed": seed},
            "log_level": "INFO",
            "model": semi.model(base, detector, row, scale),
            "train_dataloader": _train_data(task, row, scale, inputs, views),
            "train_cfg": {
                "type": "IterBasedTrainLoop",
                "max_iters": scale.schedule.iterations,
                # What is published is detected after training, by `gbss detect`.
                "val_interval": scale.schedule.validation_interval or scale.schedule.iterations,
            },
            **(_validation(task, inputs, test_data) if scale.schedule.validation_interval else {}),
            "test_dataloader": test_data,
            "test_cfg": {"type": "TestLoop"},
            # Writes the detections and no more: gbss.evaluation turns them into numbers.
            "test_evaluator": {
                "type": "CocoMetric",
                "ann_file": str(inputs.val),
                "metric": "bbox",
                "format_only": True,
                "outfile_prefix": str(folder / "detections"),
            },
            "optim_wrapper": {
                "type": "OptimWrapper",
                "optimizer": {
                    "type": "SGD",
                    "lr": scale.optimizer.learning_rate,
                    "momentum": scale.optimizer.momentum,
                    "weight_decay": scale.optimizer.weight_decay,
                },
                **method.optimizer_settings(row),
            },
            "param_scheduler": semi.schedulers(row, scale),
            **_hooks(row, scale, inputs, f"{row.id}, seed {seed}"),
            "env_cfg": {
                "cudnn_benchmark": False,
                # OpenCV's threads and forked loading processes do not go together.
                "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0},
                "dist_cfg": {"backend": "nccl" if torch.cuda.is_available() else "gloo"},
            },
            # None: the device that the model is on, a CPU included; mmengine would name a GPU.
            # Buffers are not sent from the first process to the others in every step: batch norm is
            # frozen, and the method's statistics are reduced by their owners.
            "model_wrapper_cfg": {
                "type": "gbss.detection.parts.DistributedDetector",
                "device_ids": None,
                "broadcast_buffers": False,
            },
            "launcher": "pytorch" if "RANK" in os.environ else "none",
        },
        # mmengine would lay out the text four times at each start and once for each checkpoint, and
        # that takes seconds; `gbss.engine.train` does it once, for readers.
        format_python_code=False,
    )


def _train_data(
    task: Task, row: Row, scale: Scale, inputs: Inputs, views: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    labeled_images, unlabeled_images = scale.images(row)
    images = {"img": str(inputs.train_images)}
    metainfo = {"classes": task.classes}
    labeled = {
        "type": "CocoDataset",
        "metainfo": metainfo,
        "ann_file": str(inputs.labeled),
        "data_prefix": images,
        "filter_cfg": {"filter_empty_gt": True},
        "pipeline": views["labeled"],
    }
    unlabeled = labeled | {
        "ann_file": str(inputs.unlabeled),
        "data_prefix": {"img": str(inputs.unlabeled_images)},
        # Its annotations are hidden, so every image is empty; none may be dropped for that.
        "filter_cfg": {"filter_empty_gt": False},
        "pipeline": views["unlabeled"],
    }
    return {
        "batch_size": (labeled_images + unlabeled_images) * (scale.batch.parts // processes()),
        "num_workers": scale.batch.workers,
        "persistent_workers": scale.batch.workers > 0,
        "sampler": {
            "type": "gbss.detection.sampler.MixedSampler",
            "labeled": labeled_images,
            "unlabeled": unlabeled_images,
            **method.sampler(row, scale),
        },
        "dataset": {
            "type": "gbss.detection.dataset.MixedDataset",
            "datasets": [labeled, unlabeled],
        },
    }


def _test_data(
    task: Task, scale: Scale, inputs: Inputs, pipeline: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "batch_size": 1,
        "num_workers": scale.batch.workers,
        "persistent_workers": scale.batch.workers > 0,
        "drop_last": False,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "dataset": {
            "type": "CocoDataset",
            "metainfo": {"classes": task.classes},
            "ann_file": str(inputs.val),
            "data_prefix": {"img": str(inputs.val_images)},
            "test_mode": True,
            "pipeline": pipeline,
        },
    }


def _validation(task: Task, inputs: Inputs, data: dict[str, Any]) -> dict[str, Any]:
    return {
        # Its processes would sit idle, and hold memory, nearly all of the time.
        "val_dataloader": data | {"persistent_workers": False},
        "val_cfg": {"type": "gbss.detection.validation.ValidationLoop"},
        "val_evaluator": {
            "type": "gbss.detection.validation.TeacherAP",
            "ann_file": str(inputs.val),
            "groups": task.groups,
            "protocol": task.protocol,
        },
    }


def _hooks(row: Row, scale: Scale, inputs: Inputs, name: str) -> dict[str, Any]:
    schedule = scale.schedule
    start = []
    if row.retrains is not None:
        start = [{"type": "gbss.detection.start.StartHook", "path": str(inputs.start)}]
    return {
        "log_processor": {"by_epoch": False, "window_size": schedule.log_interval},
        "default_hooks": {
            "logger": {
                "type": "LoggerHook",
                "interval": schedule.log_interval,
                "log_metric_by_epoch": False,
            },
            # The sampler has no epochs to be told of, and checkpoints have a hook of our own.
            "sampler_seed": None,
            "checkpoint": None,
        },
        "custom_hooks": [
            {"type": "gbss.detection.hooks.SeedHook", "parts": scale.batch.parts},
            {"type": "gbss.detection.progress.ProgressHook", "name": name},
            *start,
            semi.teacher_hook(row, scale),
            *method.hooks(row, scale),
            {"type": "gbss.detection.hooks.InvalidLossHook", "interval": schedule.log_interval},
            {
                "type": "gbss.detection.hooks.CheckpointHook",
                "interval": schedule.checkpoint_interval,
            },
        ],
    }
