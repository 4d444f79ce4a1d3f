"""Detections → AP per class, from one pass of COCOeval."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gbss.errors import Faults, fail
from gbss.evaluation.detections import Detection, read_detections
from gbss.splits.annotations import Annotations
from gbss.splits.annotations import read as read_annotations

MAX_DETECTIONS = 100
"""Detections per image and class that count, those with the highest scores (COCO's rule)."""

_IOU_50, _IOU_75 = 0, 5
"""Positions in COCOeval's IoU thresholds .5, .55, ..., .95."""


@dataclass(frozen=True, eq=False)
class PerClass:
    """AP of each class, ascending by category id. AP are fractions; NaN without ground truth.

    Attributes:
        images: Number of images in the evaluation.
        ids: Category ids.
        names: Class names.
        ground_truth: Non-crowd boxes per class.
        ap: AP@[.5:.95].
        ap50: AP at IoU 0.5.
        ap75: AP at IoU 0.75.
        ar: Average recall over IoU .5:.95 with at most 100 detections per image and class.
    """

    images: int
    ids: tuple[int, ...]
    names: tuple[str, ...]
    ground_truth: NDArray[np.int64]
    ap: NDArray[np.float64]
    ap50: NDArray[np.float64]
    ap75: NDArray[np.float64]
    ar: NDArray[np.float64]


def evaluate(
    annotation_file: Path,
    detections: Path | list[Any],
    classes: Sequence[str] | None = None,
    *,
    protocol: Literal["coco"] = "coco",
) -> PerClass:
    """AP of every class of an annotation file.

    The mean of ``ap`` over the classes with ground truth is COCOeval's own AP.

    Args:
        annotation_file: Ground truth in COCO format.
        detections: A file of detections in the COCO result format, or the list itself.
        classes: Names of the task's classes by ascending category id; the annotation file must
            hold exactly these. None: whatever it holds.
        protocol: ``coco``: area "all", at most 100 detections per image and class, crowds ignored.

    Raises:
        GbssError: What is wrong with one of the two files, all of it at once; a ground truth
            without images or classes is wrong, too.
    """
    if protocol != "coco":
        raise fail("protocol", found=repr(protocol), expected="'coco'", fix="use a known protocol")
    truth = read_annotations(annotation_file, classes)
    with Faults() as faults:
        for part, entries in (("images", truth.image_ids), ("categories", truth.category_ids)):
            if not len(entries):
                expected, fix = "at least one to evaluate", "give the ground truth"
                faults.add(f"{annotation_file}: {part}", found="none", expected=expected, fix=fix)
    found = read_detections(
        detections, images=truth.image_ids.tolist(), categories=truth.category_ids.tolist()
    )
    precision, recall = _coco_eval(truth, found)
    count = np.bincount(truth.box_classes[~truth.crowd], minlength=len(truth.names))
    exists = count > 0

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., classes) → (classes); COCOeval marks classes without ground truth with -1."""
        flat = values.reshape(-1, len(truth.names))
        return np.where(exists, flat.mean(axis=0), np.nan)

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


def _coco_eval(
    truth: Annotations, detections: list[Detection]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision (10 IoU, 101 recalls, classes) and final recall (10 IoU, classes)."""
    # pycocotools prints its progress, and it tells matched from unmatched boxes by a non-zero
    # annotation id: a box with id 0 could never be found. So boxes are numbered from 1 here.
    boxes = [
        {
            "image_id": int(truth.image_ids[image]),
            "category_id": int(truth.category_ids[class_]),
            "bbox": box,
            "iscrowd": int(crowd),
        }
        for image, class_, box, crowd in zip(
            truth.box_images, truth.box_classes, truth.boxes.tolist(), truth.crowd, strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_coco(truth, boxes), _coco(truth, detections), iouType="bbox")
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.params.areaRng = [[0, np.inf]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    return precision[:, :, :, 0, 0], recall[:, :, 0, 0]


def _coco(truth: Annotations, boxes: Iterable[Mapping[str, Any]]) -> COCO:
    """An indexed pycocotools data set; unlike ``loadRes`` it may hold no boxes at all."""
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in truth.image_ids.tolist()],
        "categories": [
            {"id": id_, "name": name}
            for id_, name in zip(truth.category_ids.tolist(), truth.names, strict=True)
        ],
        "annotations": [
            {**box, "id": number, "area": box["bbox"][2] * box["bbox"][3]}
            for number, box in enumerate(boxes, start=1)
        ],
    }
    coco.createIndex()
    return coco
