"""Detections → AP per class, from one pass of an evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gbss.errors import fail, nearest
from gbss.evaluation.case import Case, Protocol, load
from gbss.evaluation.detection_rows import Detections, Floats, Ints

Evaluator = Literal["fast", "official"]
EVALUATORS: tuple[Evaluator, ...] = ("fast", "official")
"""``fast``: hotcoco. ``official``: pycocotools or lvis, for whoever does not trust it."""

_IOU_50, _IOU_75 = 0, 5
"""Positions in the IoU thresholds .5, .55, ..., .95."""


@dataclass(frozen=True, eq=False)
class PerClass:
    """AP of each class, ascending by category id. AP are fractions; NaN without ground truth.

    Attributes:
        images: Number of images in the evaluation.
        ids: Category ids.
        names: Class names.
        ground_truth: Boxes per class that can be found: no crowds.
        ap: AP@[.5:.95]; 0 for a class that nothing was detected of.
        ap50: AP at IoU 0.5.
        ap75: AP at IoU 0.75.
        ar: Average recall over IoU .5:.95 with the detections that the protocol lets count.
    """

    images: int
    ids: tuple[int, ...]
    names: tuple[str, ...]
    ground_truth: Ints
    ap: Floats
    ap50: Floats
    ap75: Floats
    ar: Floats


def evaluate(
    annotation_file: Path,
    detections: Path | Sequence[Any] | Detections,
    classes: Sequence[str] | None = None,
    *,
    protocol: Protocol = "coco",
    evaluator: Evaluator = "fast",
) -> PerClass:
    """AP of every class of an annotation file.

    The mean of ``ap`` over the classes with ground truth is the AP that COCOeval or the lvis
    package states.

    Args:
        annotation_file: Ground truth in COCO format.
        detections: A file of detections, in columns or in the COCO result format, or a list.
        classes: Names of the task's classes by ascending category id; the annotation file must
            hold exactly these. None: whatever it holds.
        protocol: ``coco``: area "all", at most 100 detections per image and class, crowds ignored.
            ``lvis``: at most 300 per image, and only where the image is annotated for the class.
        evaluator: See `EVALUATORS`.

    Raises:
        GbssError: What is wrong with one of the two files, all of it at once; a ground truth
            without images or classes is wrong, too.
    """
    return measure(load(annotation_file, detections, classes, protocol=protocol), evaluator)


def measure(case: Case, evaluator: Evaluator = "fast") -> PerClass:
    """The same of what was read before, see `evaluate`."""
    precision, recall = _curves(case, evaluator)
    truth = case.truth
    count = np.bincount(truth.box_classes[case.counted], minlength=len(truth.names))

    def mean(values: Floats) -> Floats:
        """(..., classes) → (classes); -1 marks classes without ground truth."""
        flat = values.reshape(-1, len(truth.names))
        return np.where(count > 0, flat.mean(axis=0), np.nan)

    return PerClass(
        images=len(truth.image_ids),
        ids=tuple(truth.category_ids.tolist()),
        names=truth.names,
        ground_truth=count.astype(np.int64),
        ap=mean(precision),
        ap50=mean(precision[_IOU_50]),
        ap75=mean(precision[_IOU_75]),
        ar=mean(recall),
    )


def _curves(case: Case, evaluator: str) -> tuple[Floats, Floats]:
    if evaluator == "fast":
        from gbss.evaluation import fast

        return fast.curves(case)
    if evaluator == "official":
        from gbss.evaluation import official

        return official.curves(case)
    expected = nearest(evaluator, EVALUATORS)
    raise fail("evaluator", found=repr(evaluator), expected=expected, fix="use a known evaluator")
