"""Detection: the teacher of a finished run on the validation images."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mmengine.config import Config

from gbss.engine.run import Run
from gbss.engine.teacher import ready


def detect(run: Run, output: Path) -> None:
    """Writes the detections of a run's teacher in COCO's result format.

    Args:
        run: A finished run.
        output: The JSON file to write: image id, category id, box (x, y, w, h) and score each.

    Raises:
        GbssError: The run is not finished, or its weights are of another run.
    """

    def change(config: Config) -> None:
        if run.task.protocol == "lvis":
            # As LVIS is usually tested; the released code keeps COCO's 0.05 and 100.
            config.model.detector.test_cfg.rcnn.update(score_thr=1e-4, max_per_img=300)

    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".detect-") as scratch:
        ready(run, Path(scratch), change).test()
        (Path(scratch) / "detections.bbox.json").replace(output)
