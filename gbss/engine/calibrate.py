"""Prototypes of the few-shot classes, from the labeled images of a run."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from torch import Tensor

from gbss.detection.calibration import PrototypeCalibration
from gbss.engine.run import Run
from gbss.engine.staging import staged
from gbss.progress import track

FEW_SHOT = ("minority", "rare")
"""Groups whose scores are calibrated."""

STEM, STRIDES = 4, (1, 2, 2, 2)
"""Stride of a ResNet before its stages, and mmdet's default of those of the stages."""


def calibration(run: Run, config: Config, preprocessor: Any) -> PrototypeCalibration:
    """What DeFRCN calibrates a finished run's scores with.

    Args:
        run: The run; its labeled images and pre-trained backbone are used.
        config: Its configuration for testing.
        preprocessor: The detector's, which normalises images.
    """
    backbone = config.model.detector.backbone.to_dict()
    names = [name for group in FEW_SHOT for name in run.task.groups.get(group, ())]
    few_shot = [run.task.classes.index(name) for name in names]
    stride = STEM * math.prod(backbone.get("strides", STRIDES))
    found = PrototypeCalibration(backbone, stride, len(run.task.classes), few_shot)
    found.to(preprocessor.device)
    images, annotations = staged(run.inputs.train_images, run.inputs.labeled)
    labeled = config.test_dataloader.dataset.to_dict() | {
        "ann_file": str(annotations),
        "data_prefix": {"img": str(images)},
        # With the annotations, which testing leaves out.
        "test_mode": False,
        "filter_cfg": {"filter_empty_gt": True},
    }
    found.learn(*_described(DATASETS.build(labeled), found, preprocessor))
    return found


def _described(
    dataset: Any, calibration: PrototypeCalibration, preprocessor: Any
) -> tuple[Tensor, Tensor]:
    """Descriptions (M, d) and classes (M,) of all labeled boxes."""
    descriptions, labels = [], []
    for index in track(range(len(dataset)), "looking at labeled images"):
        instances = [
            each for each in dataset.get_data_info(index)["instances"] if not each["ignore_flag"]
        ]
        if not instances:
            continue
        loaded = dataset[index]
        batch = {key: [value] for key, value in loaded.items()}
        images = preprocessor(batch, False)["inputs"]
        factor = images.new_tensor(loaded["data_samples"].scale_factor * 2)
        boxes = images.new_tensor([each["bbox"] for each in instances]) * factor
        descriptions.append(calibration.describe(images, [boxes]))
        labels += [each["bbox_label"] for each in instances]
    return torch.cat(descriptions), torch.tensor(labels, device=descriptions[0].device)
