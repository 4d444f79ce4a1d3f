"""Detection: the teacher of a finished run on the validation images."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mmengine.runner import Runner

from gbss.configs.resolve import resolve
from gbss.detection.checkpoints import read_checkpoint
from gbss.engine.run import Run
from gbss.engine.train import limit_threads, quiet
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
    limit_threads(run)
    weights = read_checkpoint(run.model)
    found = weights.get("meta", {}).get("run")
    if found != run.name:
        raise fail(
            str(run.model),
            found=f"weights of {found}",
            expected=f"weights of {run.name}",
            fix="train this run; weights are not moved between folders",
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".detect-") as scratch:
        config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, Path(scratch))
        for part in (
            "train_dataloader",
            "train_cfg",
            "optim_wrapper",
            "param_scheduler",
            "custom_hooks",
        ):
            config.pop(part)
        config.load_from = str(run.model)
        Runner.from_cfg(config).test()
        (Path(scratch) / "detections.bbox.json").replace(output)
