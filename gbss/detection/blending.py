"""DASO beside a detector: features go in, the teacher's detections come out relabeled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gbss.losses.daso import Daso


@torch.no_grad()
def observe_boxes(daso: Daso, teacher: Any, inputs: Tensor, samples: Any) -> None:
    """Shows the teacher's features of labeled boxes.

    Args:
        daso: To whom.
        teacher: The detector.
        inputs: Labeled images (N, 3, H, W).
        samples: With their boxes.
    """
    boxes = [sample.gt_instances.bboxes for sample in samples]
    described = teacher.roi_head.describe(teacher.extract_feat(inputs), boxes)
    daso.observe(described, torch.cat([sample.gt_instances.labels for sample in samples]))


@torch.no_grad()
def relabel(daso: Daso, head: Any, x: Any, images: Any) -> None:
    """Blends the detections of a batch; each gets its ``semantics`` (n,) log q.

    A box is blended as the class that it looks most like to the classifier; what suppression has
    left of it as other classes stays. The score is s p'_{y'} / p_y, at most 1: the less is blended,
    the nearer it is to s. (s is of the region that the box was refined from, p of the box itself.)

    Args:
        daso: By whom.
        head: The teacher's RoI head.
        x: Its features.
        images: Detections of each image, before any is filtered by its score; changed.
    """
    described = head.describe(x, [image.bboxes for image in images])
    probabilities, semantics = head.bbox_head.foreground(described), daso.semantics(described)
    labels = torch.cat([image.labels for image in images])
    scores = torch.cat([image.scores for image in images])
    own = probabilities.gather(1, labels[:, None])[:, 0]
    new_p, new_labels = daso.blend(probabilities, labels, semantics).max(1)
    tiny = torch.finfo(own.dtype).tiny
    new_scores = (scores * new_p / own.clamp(min=tiny)).clamp(max=1)
    blended = (probabilities.argmax(1) == labels) & (daso.shares()[labels] > 0)
    scores = torch.where(blended, new_scores.to(scores.dtype), scores)
    labels = torch.where(blended, new_labels, labels)
    sizes = [len(image) for image in images]
    for image, s, label, q in zip(
        images, scores.split(sizes), labels.split(sizes), semantics.split(sizes), strict=True
    ):
        image.scores, image.labels, image.semantics = s, label, q


def alignment(daso: Daso, head: Any, x: Any, samples: Any) -> Tensor:
    """The alignment loss of a batch's pseudo labels in the student's view.

    Args:
        daso: Whose.
        head: The student's RoI head.
        x: Its features of the strong view.
        samples: With the pseudo labels that passed the thresholds, boxes in this view.
    """
    found = [sample.gt_instances for sample in samples]
    described = head.describe(x, [each.bboxes for each in found])
    regions = len(samples) * head.train_cfg.sampler.num
    return daso.alignment(described, torch.cat([each.semantics for each in found]), regions)
