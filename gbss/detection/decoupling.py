"""DeFRCN's gradient-decoupled layers: how much of a head's gradient reaches the features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models import RPNHead
from torch import Tensor, nn

from gbss.detection.roi_head import RoIHead


class _Scaled(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a constant."""

    @staticmethod
    def forward(context: Any, features: Tensor, rate: float) -> Tensor:
        context.rate = rate
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * context.rate, None


class GradientDecoupling(nn.Module):
    """A channel-wise affine map of each level; what it sends back is multiplied by λ.

    Forward a · x + b per channel, first the identity (a = 1, b = 0); backward λ times the gradient
    on x, and the whole gradient on a and b.

    Source: Qiao et al., DeFRCN, eq. 3 and 4; https://github.com/er-muyue/DeFRCN
    (defrcn/modeling/meta_arch/gdl.py). It has one level; here each of an FPN has its own a and b.

    Args:
        levels: Number of levels.
        channels: Of each level.
        rate: λ ≥ 0; 0 stops all gradients.
    """

    def __init__(self, levels: int, channels: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.ones(levels, channels))
        self.bias = nn.Parameter(torch.zeros(levels, channels))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels (N, C, H, W) of any sizes, in their order; as many as there are weights."""
        found = []
        for x, weight, bias in zip(features, self.weight, self.bias, strict=True):
            scaled = x.detach() if self.rate == 0 else _Scaled.apply(x, self.rate)
            found.append(scaled * weight[:, None, None] + bias[:, None, None])
        return tuple(found)


class DecoupledRPNHead(RPNHead):
    """mmdet's RPN behind a `GradientDecoupling`.

    Args:
        levels: Levels of the neck.
        rate: λ.
        **kwargs: See mmdet.
    """

    def __init__(self, *, levels: int, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decoupling = GradientDecoupling(levels, self.in_channels, rate)

    def forward(self, x: Sequence[Tensor]) -> Any:
        """Scores and deltas of every level, see mmdet."""
        return super().forward(self.decoupling(x))


class DecoupledRoIHead(RoIHead):
    """`RoIHead` behind a `GradientDecoupling`.

    Args:
        rate: λ.
        **kwargs: See mmdet.
    """

    def __init__(self, *, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        extractor = self.bbox_roi_extractor
        self.decoupling = GradientDecoupling(extractor.num_inputs, extractor.out_channels, rate)

    def describe(self, x: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """(M, d) what the classifier sees of regions, see `RoIHead`."""
        return super().describe(self.decoupling(x[: len(self.decoupling.weight)]), boxes)

    def _bbox_forward(self, x: Sequence[Tensor], rois: Tensor) -> dict[str, Any]:
        levels = len(self.decoupling.weight)
        found: dict[str, Any] = super()._bbox_forward(self.decoupling(x[:levels]), rois)
        return found
