"""Precision and recall from the official packages: pycocotools and lvis."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gbss.evaluation.case import LARGEST, MAX_DETECTIONS, Case
from gbss.evaluation.detection_rows import Floats


def curves(case: Case) -> tuple[Floats, Floats]:
    """Precision (10 IoU, 101 recalls, classes) and final recall (10 IoU, classes).

    Classes by ascending id; -1 for those without ground truth.
    """
    truth, found = _dataset(case, _boxes(case)), _dataset(case, case.detections.entries())
    if case.protocol == "lvis":
        # Imports matplotlib and OpenCV, which the other protocol does without.
        from gbss.evaluation.federated import federated_curves

        return federated_curves(truth, found)
    sets = []
    # pycocotools prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        for dataset in (truth, found):
            # Unlike ``loadRes``, an indexed data set may hold no boxes at all.
            sets.append(COCO())
            sets[-1].dataset = dataset
            sets[-1].createIndex()
        evaluation = COCOeval(*sets, iouType="bbox")
        evaluation.params.maxDets = [MAX_DETECTIONS["coco"]]
        evaluation.params.areaRng = [[0, LARGEST]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    return precision[:, :, :, 0, 0], recall[:, :, 0, 0]


def _boxes(case: Case) -> Iterator[dict[str, Any]]:
    """The ground truth as entries of a COCO file, without ids."""
    truth = case.truth
    for image, class_, box, area, crowd, counted in zip(
        truth.image_ids[truth.box_images].tolist(),
        truth.category_ids[truth.box_classes].tolist(),
        truth.boxes.tolist(),
        truth.areas.tolist(),
        truth.crowd.tolist(),
        case.counted.tolist(),
        strict=True,
    ):
        yield {
            "image_id": image,
            "category_id": class_,
            "bbox": box,
            "area": area,
            "iscrowd": int(crowd),
            "ignore": int(not counted),
        }


def _dataset(case: Case, boxes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Boxes as a data set of pycocotools or lvis with the images and classes of the truth."""
    truth = case.truth
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
            {"area": box["bbox"][2] * box["bbox"][3], **box, "id": number}
            for number, box in enumerate(boxes, start=1)
        ],
    }
