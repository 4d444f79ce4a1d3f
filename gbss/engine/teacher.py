"""The teacher of a finished run, ready to look at images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from gbss.configs.resolve import resolve
from gbss.detection.checkpoints import read_checkpoint
from gbss.engine.run import Run
from gbss.engine.train import build_runner, limit_threads, plain, quiet
from gbss.errors import fail


def ready(run: Run, scratch: Path, change: Callable[[Config], None]) -> Runner:
    """The runner of mmengine for testing, with a run's final weights.

    Args:
        run: A finished run.
        scratch: A folder for what mmengine writes.
        change: Changes the configuration, after a look whether the weights belong to it.

    Raises:
        GbssError: The run is not finished, or its weights are of another run.
    """
    quiet()
    limit_threads(run, "detect")
    config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, scratch)
    weights = _weights(run, plain(config))
    for part in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        config.pop(part)
    config.pop("custom_hooks")
    for part in ("val_dataloader", "val_cfg", "val_evaluator"):
        config.pop(part, None)
    # The weights of a finished run have no state of the method.
    config.model.pop("method")
    change(config)
    runner = build_runner(config)
    # Strictly: mmengine would go on with random weights in the place of missing ones.
    runner.model.load_state_dict(weights)
    return runner


def _weights(run: Run, config: dict[str, Any]) -> dict[str, Any]:
    """The final weights, if they are those of this run as it is configured now."""
    saved = read_checkpoint(run.model)
    found = saved["meta"]
    expected = {"run": run.name, "identity": run.identity(config)}
    if found != expected:
        raise fail(
            str(run.model),
            found=f"weights of {found}",
            expected=f"weights of {expected}",
            fix="train the run (again): its settings or inputs are not those of the weights",
        )
    weights: dict[str, Any] = saved["state_dict"]
    return weights
