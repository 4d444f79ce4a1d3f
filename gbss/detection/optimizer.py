"""The optimizer of a detector with class weights beside it."""

from __future__ import annotations

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn


class OptimizerConstructor(DefaultOptimWrapperConstructor):
    """One optimizer with two groups: the detector, and the method without weight decay.

    Weight decay would pull the class weights towards 1.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Builds optimizer and wrapper."""
        detector: nn.Module = getattr(model, "module", model)
        own = list(detector.get_submodule("method").parameters())
        others = [value for name, value in detector.named_parameters() if name[:7] != "method."]
        groups = [{"params": others}, {"params": own, "weight_decay": 0.0}]
        optimizer = OPTIMIZERS.build({**self.optimizer_cfg, "params": groups})
        return OPTIM_WRAPPERS.build({**self.optim_wrapper_cfg, "optimizer": optimizer})
