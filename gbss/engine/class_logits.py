"""The class logits of a finished run: its teacher on the objects of the validation images."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures.bbox import bbox2roi
from mmengine.config import Config
from torch import Tensor

from gbss.engine.run import Run
from gbss.engine.teacher import ready
from gbss.errors import fail
from gbss.evaluation.class_logits import ClassLogits, write_class_logits
from gbss.progress import track
from gbss.splits.annotations import Annotations
from gbss.splits.annotations import read as read_annotations


def write_of(run: Run, output: Path) -> None:
    """Writes the mean logits of a run's teacher on the annotated boxes, class by class.

    The boxes take the place of region proposals, and so are classified whether or not the
    detector would have found them.

    Args:
        run: A finished run.
        output: The file to write, see `ClassLogits`.

    Raises:
        GbssError: The run is not finished, its weights are of another run, or its detector
            classifies no boxes that it is given.
    """
    if run.row.one_stage:
        raise fail(
            f"{run.name}",
            found=f"the detector {run.row.detector!r}, which classifies anchors alone",
            expected="a detector with two stages, which classifies any box",
            fix="name a row with another detector",
        )
    truth = read_annotations(run.inputs.val, run.task.classes)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".class-logits-") as scratch:
        runner = ready(run, Path(scratch), _quietly)
        write_class_logits(output, _means(runner.model, runner.test_dataloader, truth))


def _quietly(config: Config) -> None:
    config.log_level = "WARNING"


@torch.no_grad()
def _means(model: Any, loader: Any, truth: Annotations) -> ClassLogits:
    model.eval()
    detector = model.teacher
    head = detector.roi_head.bbox_head
    n = len(truth.names)
    # Of a loss with more outputs: the classes, and of its objectness the column of the background.
    columns = [*range(n), head.fc_cls.out_features - 1]
    sums = torch.zeros(2, n, n + 1, dtype=torch.float64)
    objects = torch.zeros(n, dtype=torch.int64)
    usable = truth.counted
    for batch in track(loader, "looking at validation images"):
        prepared = model.data_preprocessor(batch, False)
        features = detector.extract_feat(prepared["inputs"])
        samples = prepared["data_samples"]
        rois, labels = [], []
        for sample in samples:
            place = int(np.searchsorted(truth.image_ids, sample.img_id))
            mine = usable & (truth.box_images == place)
            boxes = torch.as_tensor(truth.boxes[mine], dtype=torch.float32)
            boxes[:, 2:] += boxes[:, :2]
            rois.append((boxes * boxes.new_tensor([*sample.scale_factor] * 2)).to(features[0]))
            labels.append(torch.as_tensor(truth.box_classes[mine]))
        if not sum(map(len, rois)):
            continue
        logits = detector.roi_head._bbox_forward(features, bbox2roi(rois))["cls_score"]  # noqa: SLF001
        found = torch.stack([logits[:, columns], _scores(head, logits)]).double().cpu()
        sums.index_add_(1, torch.cat(labels), found)
        objects += torch.bincount(torch.cat(labels), minlength=n)
    means = sums / torch.where(objects > 0, objects, torch.nan)[:, None]
    weight, bias = head.fc_cls.weight.cpu(), getattr(head.fc_cls, "bias", None)
    return ClassLogits(
        objects=objects.numpy(),
        logits=means[0].numpy(),
        scores=means[1].numpy(),
        bias=np.full(n + 1, np.nan) if bias is None else bias.cpu().numpy()[columns],
        norms=weight.norm(dim=1).numpy()[columns],
    )


def _scores(head: Any, logits: Tensor) -> Tensor:
    """The scores of results that the head makes of logits."""
    own = head.own_loss
    if own is None:
        return logits.softmax(1)
    scores: Tensor = own.get_activation(own.final_logits(logits))
    return scores
