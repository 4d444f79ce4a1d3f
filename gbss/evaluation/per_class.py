"""Detections → AP per class, from one pass of COCOeval or of the lvis package."""

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

from gbss.errors import Faults, fail, nearest
from gbss.evaluation.detections import Detection, read_detections
from gbss.splits.annotations import Annotations
from gbss.splits.annotations import read as read_annotations

Floats = NDArray[np.float64]

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
        ar: Average recall over IoU .5:.95 with the detections that the protocol lets count.
    """

    images: int
    ids: tuple[int, ...]
    names: tuple[str, ...]
    ground_truth: NDArray[np.int64]
    ap: Floats
    ap50: Floats
    ap75: Floats
    ar: Floats


def evaluate(
    annotation_file: Path,
    detections: Path | list[Any],
    classes: Sequence[str] | None = None,
    *,
    protocol: Literal["coco", "lvis"] = "coco",
) -> PerClass:
    """AP of every class of an annotation file.

    The mean of ``ap`` over the classes with ground truth is the AP that COCOeval or the lvis
    package states.

    Args:
        annotation_file: Ground truth in COCO format.
        detections: A file of detections in the COCO result format, or the list itself.
        classes: Names of the task's classes by ascending category id; the annotation file must
            hold exactly these. None: whatever it holds.
        protocol: ``coco``: area "all", at most 100 detections per image and class, crowds ignored.
            ``lvis``: at most 300 per image, and only where the image is annotated for the class.

    Raises:
        GbssError: What is wrong with one of the two files, all of it at once; a ground truth
            without images or classes is wrong, too.
    """
    if protocol not in _CURVES:
        expected = nearest(protocol, _CURVES)
        raise fail("protocol", found=repr(protocol), expected=expected, fix="use a known protocol")
    truth = read_annotations(annotation_file, classes)
    with Faults() as faults:
        for part, entries in (("images", truth.image_ids), ("categories", truth.category_ids)):
            if not len(entries):
                expected, fix = "at least one to evaluate", "give the ground truth"
                faults.add(f"{annotation_file}: {part}", found="none", expected=expected, fix=fix)
        if protocol == "lvis" and (truth.negatives is None or truth.not_exhaustive is None):
            faults.add(
                f"{annotation_file}: images",
                found="no 'neg_category_ids' or no 'not_exhaustive_category_ids'",
                expected="both in every image: which classes it is known to lack or to hold partly",
                fix="evaluate by the protocol 'coco', or give a federated annotation file",
            )
    found = read_detections(
        detections, images=truth.image_ids.tolist(), categories=truth.category_ids.tolist()
    )
    precision, recall = _CURVES[protocol](truth, found)
    count = np.bincount(truth.box_classes[~truth.crowd], minlength=len(truth.names))
    exists = count > 0

    def mean(values: Floats) -> Floats:
        """(..., classes) → (classes); -1 marks classes without ground truth."""
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


def _coco_curves(truth: Annotations, detections: list[Detection]) -> tuple[Floats, Floats]:
    """Precision (10 IoU, 101 recalls, classes) and final recall (10 IoU, classes)."""
    sets = []
    # pycocotools prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        for boxes in (_boxes(truth), detections):
            # Unlike ``loadRes``, an indexed data set may hold no boxes at all.
            sets.append(COCO())
            sets[-1].dataset = _dataset(truth, boxes)
            sets[-1].createIndex()
        evaluation = COCOeval(*sets, iouType="bbox")
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.params.areaRng = [[0, np.inf]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    return precision[:, :, :, 0, 0], recall[:, :, 0, 0]


def _lvis_curves(truth: Annotations, detections: list[Detection]) -> tuple[Floats, Floats]:
    """The same by the rules of LVIS; a crowd, which LVIS does not have, is ignored."""
    # Imports matplotlib and OpenCV, which the other protocol does without.
    from gbss.evaluation.federated import federated_curves

    return federated_curves(_dataset(truth, _boxes(truth)), _dataset(truth, detections))


_CURVES = {"coco": _coco_curves, "lvis": _lvis_curves}


def _boxes(truth: Annotations) -> list[dict[str, Any]]:
    """The ground truth as entries of a COCO file, without ids."""
    return [
        {
            "image_id": int(truth.image_ids[image]),
            "category_id": int(truth.category_ids[class_]),
            "bbox": box,
            "iscrowd": int(crowd),
            "ignore": int(crowd),
        }
        for image, class_, box, crowd in zip(
            truth.box_images, truth.box_classes, truth.boxes.tolist(), truth.crowd, strict=True
        )
    ]


def _dataset(truth: Annotations, boxes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Boxes as a data set of pycocotools or lvis with the images and classes of the truth."""
    images: list[dict[str, Any]] = [{"id": image} for image in truth.image_ids.tolist()]
    for key, lists in (
        ("neg_category_ids", truth.negatives),
        ("not_exhaustive_category_ids", truth.not_exhaustive),
    ):
        if lists is not None:
            offsets, values = lists
            for image, ids in zip(
                images, np.split(truth.category_ids[values], offsets[1:-1]), strict=True
            ):
                image[key] = ids.tolist()
    return {
        "images": images,
        # Of any frequency: classes are grouped by the task.
        "categories": [
            {"id": id_, "name": name, "frequency": "f"}
            for id_, name in zip(truth.category_ids.tolist(), truth.names, strict=True)
        ],
        # Both packages tell matched from unmatched boxes by a non-zero annotation id: a box with
        # id 0 could never be found. So boxes are numbered from 1 here.
        "annotations": [
            {**box, "id": number, "area": box["bbox"][2] * box["bbox"][3]}
            for number, box in enumerate(boxes, start=1)
        ],
    }
