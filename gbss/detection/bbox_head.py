"""A box head that weighs its classification loss and lets others look at what it computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from mmdet.models import Shared2FCBBoxHead
from torch import Tensor, nn

from gbss.detection.observed import ObservedHead
from gbss.losses.base import ClassificationLoss


class AddedAtOnce(Tensor):
    """A vector that looks like its sum to those who go through it; otherwise a tensor.

    mmdet adds the label weights of unlabeled images up with Python's ``sum``: element by element,
    a kernel for each. They, and no others, are given out as this.
    """

    # What is computed from it, and is not itself, is a plain tensor.
    __torch_function__: Any = torch._C._disabled_torch_function_impl  # noqa: SLF001  (torch's way)

    def __iter__(self) -> Iterator[Tensor]:
        """One element: the sum."""
        yield self.sum()


class WeightedBBoxHead(ObservedHead, Shared2FCBBoxHead):
    """mmdet's box head, with a factor for each sample of whatever classification loss it has."""

    @property
    def own_loss(self) -> ClassificationLoss | None:
        """The classification loss, if it is one of `gbss.losses` and not mmdet's."""
        return self.loss_cls if isinstance(self.loss_cls, ClassificationLoss) else None

    def init_weights(self) -> None:
        """The first weights of mmdet, and the bias that the loss asks for."""
        super().init_weights()
        if self.own_loss is not None and self.own_loss.prior_bias is not None:
            nn.init.constant_(self.fc_cls.bias, self.own_loss.prior_bias)

    def describe(self, pooled: Tensor) -> Tensor:
        """(M, d) what the classifier sees of pooled regions (M, C, H, W)."""
        x = pooled.flatten(1)
        for layer in self.shared_fcs:
            x = self.relu(layer(x))
        return x

    def foreground(self, described: Tensor) -> Tensor:
        """(M, n) probabilities of the classes, given that it is one of them."""
        logits = self.fc_cls(described)
        own = self.own_loss
        scores = logits.softmax(1) if own is None else own.get_activation(logits)
        classes: Tensor = scores[:, :-1]
        return classes / classes.sum(1, keepdim=True).clamp(min=torch.finfo(classes.dtype).tiny)

    def loss(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        rois: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The losses of mmdet; the factors reach the classification loss with its label weights.

        The loss is averaged over the samples with a positive label weight, as without factors:
        all factors are positive.
        """
        own = self.own_loss if self.with_cls else None
        if own is not None:
            own.look_at(self.fc_cls.weight)
        if self._observer is not None:
            logits, gradients = cls_score.detach(), None
            if own is not None and not own.closed_form:
                gradients = own.logit_gradients(logits, labels)
            factors = self._observer(logits, labels, label_weights, gradients)
            if factors is not None:
                label_weights = label_weights * factors
        losses: dict[str, Any] = super().loss(
            cls_score, bbox_pred, rois, labels, label_weights, *args, **kwargs
        )
        return losses

    def get_targets(self, *args: Any, **kwargs: Any) -> Any:
        """The targets of mmdet; where classes alone count, label weights are `AddedAtOnce`."""
        labels, label_weights, *boxes = super().get_targets(*args, **kwargs)
        if not self.with_reg and isinstance(label_weights, Tensor):
            label_weights = label_weights.as_subclass(AddedAtOnce)
        return labels, label_weights, *boxes

    def predict_by_feat(
        self, rois: Any, cls_scores: Any, *args: Any, rcnn_test_cfg: Any = None, **kwargs: Any
    ) -> Any:
        """The detections of mmdet; without a test configuration they are raw and nobody is told."""
        if self._final and self.own_loss is not None:
            cls_scores = tuple(self.own_loss.final_logits(logits) for logits in cls_scores)
        results = super().predict_by_feat(
            rois, cls_scores, *args, rcnn_test_cfg=rcnn_test_cfg, **kwargs
        )
        if rcnn_test_cfg is not None:
            self.tell(results)
        return results
