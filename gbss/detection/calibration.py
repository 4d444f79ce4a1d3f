"""DeFRCN's prototypical calibration: scores of few-shot classes by how their regions look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.ops import RoIAlign
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

LOWEST = 0.05
"""Scores up to this stay as they are (DeFRCN's configurations)."""

SHARE = 0.5
"""α: share of the detector's own score (DeFRCN's configurations)."""


class PrototypeCalibration(nn.Module):
    """Scores of some classes become α score + (1 - α) cos(region, prototype of its class).

    A region is described by the pre-trained backbone's last stage, averaged by RoIAlign, a class
    by the mean over its labeled boxes. The original describes by the outputs of a classifier of
    ImageNet, of both signs; a backbone without classifier gives none below 0, whose cosines are all
    large: the mean over all labeled boxes is taken off first (0067).

    Source: Qiao et al., DeFRCN, section 4.4; https://github.com/er-muyue/DeFRCN
    (defrcn/evaluation/calibration_layer.py).

    Args:
        backbone: Configuration of an mmdet backbone with its pre-trained weights.
        stride: Of its last stage.
        classes: n, without the background.
        calibrated: Labels whose scores are changed.
    """

    prototypes: Tensor
    known: Tensor

    def __init__(
        self, backbone: dict[str, Any], stride: int, classes: int, calibrated: Sequence[int]
    ) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.backbone.init_weights()
        self.align = RoIAlign((1, 1), spatial_scale=1 / stride, sampling_ratio=0, aligned=True)
        self.classes = classes
        self.register_buffer("known", torch.zeros(classes, dtype=torch.bool))
        self.calibrated = torch.zeros(classes, dtype=torch.bool)
        self.calibrated[list(calibrated)] = True
        self.eval()

    @torch.no_grad()
    def describe(self, images: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """(M, d) descriptions of regions.

        Args:
            images: (N, 3, H, W), normalised.
            boxes: (M_i, 4) per image, x1 y1 x2 y2 in its pixels.
        """
        numbers = [torch.full((len(each), 1), float(i)) for i, each in enumerate(boxes)]
        rois = torch.cat([torch.cat([n.to(b), b], 1) for n, b in zip(numbers, boxes, strict=True)])
        features = self.backbone(images)[-1]
        if not len(rois):
            return features.new_zeros(0, features.shape[1])
        found: Tensor = self.align(features, rois)[:, :, 0, 0]
        return found

    @torch.no_grad()
    def learn(self, descriptions: Tensor, labels: Tensor) -> None:
        """Sets the prototypes.

        Args:
            descriptions: (M, d) of all labeled boxes.
            labels: (M,) their classes.
        """
        self.mean = descriptions.mean(0)
        sums = descriptions.new_zeros(self.classes, descriptions.shape[1])
        sums.index_add_(0, labels, descriptions - self.mean)
        # Only the direction of a mean matters.
        self.prototypes = functional.normalize(sums, dim=1)
        self.known = labels.bincount(minlength=self.classes) > 0

    @torch.no_grad()
    def forward(self, descriptions: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
        """(M,) scores of detections, those of other classes and low ones unchanged.

        Args:
            descriptions: (M, d).
            scores: (M,).
            labels: (M,).
        """
        likeness = functional.normalize(descriptions - self.mean, dim=1) * self.prototypes[labels]
        changed = (self.known & self.calibrated.to(labels.device))[labels] & (scores > LOWEST)
        mixed = SHARE * scores + (1 - SHARE) * likeness.sum(1)
        return torch.where(changed, mixed, scores)
