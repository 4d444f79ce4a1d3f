"""Detection: the teacher of a finished run on the validation images."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mmengine.config import Config

from gbss.engine.calibrate import calibration
from gbss.engine.run import Run
from gbss.engine.staging import staged
from gbss.engine.teacher import ready
from gbss.evaluation.detections import read_detections, write_columns


def detect(run: Run, output: Path) -> None:
    """Writes the detections of a run's teacher in columns.

    Args:
        run: A finished run.
        output: The file to write, see `gbss.evaluation.detection_columns`.

    Raises:
        GbssError: The run is not finished, or its weights are of another run.
    """

    def change(config: Config) -> None:
        if run.task.protocol == "lvis":
            # As LVIS is usually tested; the released code keeps COCO's 0.05 and 100.
            testing = config.model.detector.test_cfg
            testing.get("rcnn", testing).update(score_thr=1e-4, max_per_img=300)
        images, annotations = staged(run.inputs.val_images, run.inputs.val)
        dataset = config.test_dataloader.dataset
        dataset.ann_file, dataset.data_prefix.img = str(annotations), str(images)

    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".detect-") as scratch:
        runner = ready(run, Path(scratch), change)
        if run.row.calibration == "prototypes":
            model = runner.model
            model.calibration = calibration(run, runner.cfg, model.data_preprocessor)
        runner.test()
        # mmdet's way out is JSON.
        write_columns(output, read_detections(Path(scratch) / "detections.bbox.json"))
