"""AP of the teacher while it is trained: what a long run is watched by.

What is published comes from `gbss detect` and the evaluation of its detections.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.runner import ValLoop

from gbss.evaluation.case import Case, Protocol, read_truth
from gbss.evaluation.detection_rows import Detections
from gbss.evaluation.groups import group_means
from gbss.evaluation.per_class import measure


class ValidationLoop(ValLoop):
    """mmengine's, but not after the last iteration: the run is evaluated next anyway."""

    def run(self) -> dict[str, float]:
        """Looks at all validation images; returns what `TeacherAP` says."""
        if self.runner.iter == self.runner.max_iters:
            return {}
        found: dict[str, float] = super().run()
        return found


class TeacherAP(BaseMetric):
    """AP@[.5:.95] of all classes and of each group, as fractions; NaN without ground truth.

    Detections are those of training: without the calibration of a row that has one, and on LVIS
    with COCO's limits of score and number, as pseudo labels are made with the same settings.

    Args:
        ann_file: Ground truth in COCO format, of the classes of the dataset.
        groups: The groups of the task: group name → class names.
        protocol: See `gbss.evaluation.case.Case`.
    """

    default_prefix = "AP"

    def __init__(
        self, ann_file: str, groups: Mapping[str, Sequence[str]], protocol: Protocol = "coco"
    ) -> None:
        # Results travel from process to process; mmengine's other way leaves files in the folder
        # that a user is in.
        super().__init__(collect_device="gpu")
        self.ann_file = Path(ann_file)
        self.groups = groups
        self.protocol = protocol

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keeps what was detected in each image."""
        for sample in data_samples:
            found = sample["pred_instances"]
            columns = (found[key].cpu().numpy() for key in ("labels", "bboxes", "scores"))
            self.results.append((int(sample["img_id"]), *columns))

    def compute_metrics(self, results: Sequence[Any]) -> dict[str, float]:
        """Group → AP; of the first process alone."""
        assert self.dataset_meta is not None
        truth = read_truth(self.ann_file, self.dataset_meta["classes"], self.protocol)
        images, labels, corners, scores = zip(*results, strict=True)
        boxes = np.concatenate(corners).astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        detections = Detections(
            image_ids=np.repeat(np.array(images, np.int64), [len(each) for each in labels]),
            category_ids=truth.category_ids[np.concatenate(labels)],
            boxes=boxes,
            scores=np.concatenate(scores).astype(np.float64),
        )
        means = group_means(measure(Case(truth, detections, self.protocol)), self.groups)
        return {
            group: math.nan if result.ap is None else result.ap for group, result in means.items()
        }
