"""Detection: the teacher of a finished run on the validation images."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from gbss.configs.resolve import resolve
from gbss.detection.checkpoints import read_checkpoint
from gbss.engine.run import Run
from gbss.engine.train import limit_threads, plain, quiet
from gbss.errors import fail


def detect(run: Run, output: Path) -> None:
    """Writes the detections of a run's teacher in COCO's result format.

    Args:
        run: A finished run.
        output: The JSON file to write: image id, category id, box (x, y, w, h) and score each.

    Raises:
        GbssError: The run is not finished, or its weights are of another run.
    """
    quiet()
    limit_threads(run, "detect")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".detect-") as scratch:
        config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, Path(scratch))
        weights = _weights(run, plain(config))
        for part in (
            "train_dataloader",
            "train_cfg",
            "optim_wrapper",
            "param_scheduler",
            "custom_hooks",
        ):
            config.pop(part)
        if run.task.protocol == "lvis":
            # As LVIS is usually tested; the released code keeps COCO's 0.05 and 100.
            config.model.detector.test_cfg.rcnn.update(score_thr=1e-4, max_per_img=300)
        # The weights of a finished run have no state of the method.
        config.model.pop("method")
        runner = Runner.from_cfg(config)
        # Strictly: mmengine would go on with random weights in the place of missing ones.
        runner.model.load_state_dict(weights)
        runner.test()
        (Path(scratch) / "detections.bbox.json").replace(output)


def _weights(run: Run, config: dict[str, Any]) -> dict[str, Any]:
    """The final weights, if they are those of this run as it is configured now."""
    saved = read_checkpoint(run.model)
    found = saved.get("meta", {})
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
