"""Precision and recall from hotcoco: in seconds what takes the official packages minutes.

It is fed such that it agrees with pycocotools and lvis in every number (docs/decisions/0050).
"""

from __future__ import annotations

from typing import Any

import hotcoco
import numpy as np

from gbss.evaluation.case import LARGEST, MAX_DETECTIONS, Case
from gbss.evaluation.detection_rows import Floats, Ints


def curves(case: Case) -> tuple[Floats, Floats]:
    """Precision (10 IoU, 101 recalls, classes) and final recall (10 IoU, classes).

    Classes by ascending id; -1 for those without ground truth.
    """
    evaluation = evaluated(case, usable(case))
    evaluation.accumulate()
    result = evaluation.eval
    assert result is not None
    return result["precision"][:, :, :, 0, 0], result["recall"][:, :, 0, 0]


def usable(case: Case) -> Ints:
    """Positions of the detections that the rules do not leave out before all else, ascending.

    LVIS keeps the best of each image, of all classes together, and drops what has no area.
    """
    every = np.arange(len(case.detections))
    if case.protocol == "coco":
        return every
    order = np.lexsort((-case.detections.scores, case.detections.image_ids))
    images = case.detections.image_ids[order]
    best = every - np.searchsorted(images, images) < MAX_DETECTIONS["lvis"]
    kept: Ints = np.sort(order[best])
    return np.delete(kept, np.flatnonzero(case.detections.boxes[kept, 2:].prod(axis=1) <= 0))


def evaluated(case: Case, rows: Ints, images: slice = slice(None)) -> hotcoco.COCOeval:
    """Matches detections with the ground truth.

    Args:
        case: What to evaluate.
        rows: Positions of the detections to match; all of them in one of the images.
        images: Which images.
    """
    truth = _truth(case, images)
    parameters = np.empty((len(rows), 7))
    parameters[:, 0] = case.images[rows]
    parameters[:, 1:5] = case.detections.boxes[rows]
    parameters[:, 5] = case.detections.scores[rows]
    parameters[:, 6] = case.classes[rows]
    found = truth.load_res(parameters)
    evaluation = hotcoco.COCOeval(truth, found, "bbox", lvis_style=case.protocol == "lvis")
    evaluation.params.max_dets = [MAX_DETECTIONS[case.protocol]]
    evaluation.params.area_rng = [[0, LARGEST]]
    evaluation.params.area_rng_lbl = ["all"]
    evaluation.evaluate()
    return evaluation


def _truth(case: Case, images: slice) -> hotcoco.COCO:
    """The ground truth with positions in the place of ids."""
    truth = case.truth
    numbers = np.arange(len(truth.image_ids))[images]
    entries: list[dict[str, Any]] = [{"id": number} for number in numbers.tolist()]
    boxes = (truth.box_images >= numbers[0]) & (truth.box_images <= numbers[-1])
    areas, crowd = truth.areas, truth.crowd
    if case.protocol == "lvis":
        for key, lists in (
            ("neg_category_ids", truth.negatives),
            ("not_exhaustive_category_ids", truth.not_exhaustive),
        ):
            assert lists is not None
            for entry in entries:
                start, end = lists[0][entry["id"] : entry["id"] + 2]
                entry[key] = lists[1][start:end].tolist()
        # lvis drops boxes without area, and ignores those outside of the range of areas.
        boxes &= areas > 0
        areas = np.where(case.counted, areas, 2 * LARGEST)
        crowd = np.zeros_like(crowd)
    return hotcoco.COCO.from_arrays(
        entries,
        [{"id": k, "name": str(k), "frequency": "f"} for k in range(len(truth.names))],
        truth.box_images[boxes],
        truth.box_classes[boxes],
        truth.boxes[boxes],
        area=areas[boxes],
        iscrowd=crowd[boxes],
    )
