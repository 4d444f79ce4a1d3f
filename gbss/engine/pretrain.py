"""The backbone's first weights: the usual checkpoint, or a minute of classifying crops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models import ResNet
from mmdet.registry import MODELS
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from gbss import tasks
from gbss.configs.detectors import DETECTORS, small_backbone
from gbss.data import Drawing, crops
from gbss.detection.checkpoints import read_data, write_checkpoint
from gbss.errors import Faults, fail

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
"""Channel means and deviations (RGB) that the small detector normalises with, too."""


class CropClassifier(nn.Module):
    """The small backbone with a linear classifier on its pooled last stage.

    Args:
        classes: Number of classes, background included.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = ResNet(**small_backbone(), norm_eval=False)
        self.classifier = nn.LazyLinear(classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of normalised images (N, 3, H, W)."""
        logits: Tensor = self.classifier(self.backbone(images)[-1].mean(dim=(2, 3)))
        return logits


def pretrain(settings: Mapping[str, Any], detector: str, path: Path) -> None:
    """Writes the backbone that all runs of a scale start from.

    Args:
        settings: The ``pretraining`` of a scale: a checkpoint to fetch, or crops to learn from.
        detector: The base detector of the scale.
        path: The file to write: ``state_dict`` with keys ``backbone.*``.

    Raises:
        GbssError: The checkpoint cannot be had, or does not fit the detector's backbone.
    """
    if "checkpoint" in settings:
        state, facts = _fetch(settings["checkpoint"]), {"checkpoint": settings["checkpoint"]}
    else:
        torch.manual_seed(settings["seed"])
        torch.set_num_threads(1)
        task = tasks.get(settings["task"])
        if task.drawing is None:
            raise fail(
                "pretraining.task",
                found=repr(settings["task"]),
                expected="an embedded task",
                fix="correct the scale file",
            )
        # Minority classes are to be learned from the few boxes that the split gives.
        drawing = task.drawing.without(task.recipe.minority)
        model, accuracy = _classify(drawing, settings["steps"], settings["batch"], settings["seed"])
        print(f"accuracy on new crops: {accuracy:.3f}")
        state = {f"backbone.{key}": value for key, value in model.backbone.state_dict().items()}
        facts = {**settings, "accuracy": accuracy}
    _check_fit(state, detector)
    write_checkpoint(path, {"state_dict": state, "meta": facts})


def _fetch(source: str) -> dict[str, Tensor]:
    path = Path(source).expanduser()
    if path.is_file():
        loaded = read_data(path, "name another file, or one that is downloaded again")
    else:
        loaded = _download(source)
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else loaded
    if not isinstance(state, Mapping):
        raise fail(
            f"pretraining.checkpoint: {source}",
            found=f"a {type(state).__name__}",
            expected="weights with their names",
            fix="name a checkpoint of this backbone",
        )
    return {
        key if str(key).startswith("backbone.") else f"backbone.{key}": value
        for key, value in state.items()
    }


def _download(source: str) -> Any:
    try:
        return CheckpointLoader.load_checkpoint(source, map_location="cpu")
    except Exception as error:
        raise fail(
            f"pretraining.checkpoint: {source}",
            found=f"{type(error).__name__}: {error}",
            expected="a checkpoint that can be read or downloaded",
            fix="download it on a machine with a network and give the path of the file",
        ) from error


def _check_fit(state: Mapping[str, Tensor], detector: str) -> None:
    """Refuses weights with which mmengine would, with a line in its log, start from random ones."""
    backbone = DETECTORS[detector](1, "")["backbone"]
    del backbone["init_cfg"]
    with Faults() as faults:
        for key, value in MODELS.build(backbone).state_dict().items():
            found = state.get(f"backbone.{key}")
            if key.endswith("num_batches_tracked") or (
                isinstance(found, Tensor) and found.shape == value.shape
            ):
                continue
            faults.add(
                f"pretraining: {key}",
                found="nothing" if found is None else f"shape {tuple(np.shape(found))}",
                expected=f"shape {tuple(value.shape)}, as the detector {detector!r} has it",
                fix="name a checkpoint of this backbone, or another detector in the scale file",
            )


def _classify(drawing: Drawing, steps: int, batch: int, seed: int) -> tuple[CropClassifier, float]:
    """Trains for so many steps; returns the model and its accuracy on crops it has not seen."""
    images, labels = _normalised(drawing, max(batch, steps * batch // 8), seed)
    model = CropClassifier(len(drawing.classes) + 1)
    model(images[:2])  # sets the size of the classifier
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        chosen = torch.from_numpy(rng.choice(len(labels), size=batch, replace=False))
        views = images[chosen]
        if step % 2:
            views = views.flip(-1)
        loss = nn.functional.cross_entropy(model(views), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            print(f"pre-training: step {step + 1}/{steps}, loss {loss.item():.3f}", flush=True)
    # Batch norm is frozen from here on, so its statistics should be those of the final weights.
    update_bn(images.split(batch), model)
    model.eval()
    test_images, test_labels = _normalised(drawing, 1000, seed + 1)
    with torch.no_grad():
        correct = model(test_images).argmax(dim=1) == test_labels
    return model, float(correct.float().mean())


def _normalised(drawing: Drawing, count: int, seed: int) -> tuple[Tensor, Tensor]:
    images, labels = crops(drawing, count, seed)
    scaled = (torch.from_numpy(images).float() - torch.tensor(MEAN)) / torch.tensor(STD)
    return scaled.permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)
