"""The rules of LVIS: AP where every image is annotated for some of the classes only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from lvis import LVIS, LVISEval, LVISResults
from numpy.typing import NDArray

from gbss.evaluation.case import MAX_DETECTIONS

Floats = NDArray[np.float64]


class _Memory(LVISResults):  # type: ignore[misc]
    """A data set of the lvis package that is in memory: ground truth or detections.

    Args:
        dataset: ``images``, ``categories`` and ``annotations`` as in LVIS's files.
    """

    def __init__(self, dataset: dict[str, Any]) -> None:
        LVIS.__init__(self, dataset)

    def _load_json(self, path: dict[str, Any]) -> dict[str, Any]:
        return path


class _Evaluation(LVISEval):  # type: ignore[misc]
    """The package's filter and matching, summed up by ourselves.

    Its own sum uses ``np.float``, which NumPy no longer has, and it visits every image for every
    class: 24 million pairs on LVIS val, nearly all of them empty.
    """

    def curves(self) -> tuple[Floats, Floats]:
        """Precision (10 IoU, 101 recalls, classes) and final recall (10 IoU, classes)."""
        self._prepare()
        images: dict[int, set[int]] = defaultdict(set)
        for image, class_ in (*self._gts, *self._dts):
            images[class_].add(image)
        curves = [self._curve(class_, sorted(images[class_])) for class_ in self.params.cat_ids]
        precision, recall = zip(*curves, strict=True)
        return np.stack(precision, axis=-1), np.stack(recall, axis=-1)

    def _curve(self, class_: int, images: Sequence[int]) -> tuple[Floats, Floats]:
        """Precision (10, 101) and recall (10,) of a class; -1 without ground truth."""
        results = []
        for image in images:
            self.ious[image, class_] = self.compute_iou(image, class_)
            results.append(self.evaluate_img(image, class_, self.params.area_rng[0]))
        thresholds, levels = len(self.params.iou_thrs), self.params.rec_thrs
        truth = sum(np.count_nonzero(result["gt_ignore"] == 0) for result in results)
        if not truth:
            return np.full((thresholds, len(levels)), -1.0), np.full(thresholds, -1.0)
        scores = np.concatenate([result["dt_scores"] for result in results])
        order = np.argsort(-scores, kind="stable")
        matches, ignored = (
            np.concatenate([result[key] for result in results], axis=1)[:, order].astype(np.bool_)
            for key in ("dt_matches", "dt_ignore")
        )
        hits = np.cumsum(matches & ~ignored, axis=1)
        misses = np.cumsum(~matches & ~ignored, axis=1)
        # A last column for the recall levels that are never reached.
        precision = np.pad(hits / (hits + misses + np.spacing(1)), ((0, 0), (0, 1)))
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = hits / truth
        reached = np.stack([np.searchsorted(row, levels) for row in recall])
        final = recall[:, -1] if len(scores) else np.zeros(thresholds)
        return np.take_along_axis(precision, reached, axis=1), final


def federated_curves(
    dataset: Mapping[str, Any], detections: Mapping[str, Any]
) -> tuple[Floats, Floats]:
    """Precision and recall by the rules of LVIS (lvis 0.5.3).

    A detection of a class that the image is neither known to hold nor known to lack does not
    count; nor does one that hits nothing, of a class that is not exhaustively annotated in the
    image.

    Args:
        dataset: The ground truth: ``images`` with ``neg_category_ids`` and
            ``not_exhaustive_category_ids``, ``categories`` with ``frequency``, ``annotations``.
        detections: The same with the detections, each with a ``score``, as annotations.

    Returns:
        Precision (10 IoU, 101 recalls, classes) and final recall (10 IoU, classes), classes by
        ascending id; -1 for those without ground truth.
    """
    best = _best(detections["annotations"])
    found = _Memory({**detections, "annotations": best})
    return _Evaluation(_Memory(dict(dataset)), found, "bbox").curves()


def _best(detections: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The detections that count, in their order."""
    images = np.array([each["image_id"] for each in detections], dtype=np.int64)
    scores = np.array([each["score"] for each in detections], dtype=np.float64)
    order = np.lexsort((-scores, images))
    starts = np.searchsorted(images[order], images[order])
    kept = order[np.arange(len(order)) - starts < MAX_DETECTIONS["lvis"]]
    return [detections[number] for number in np.sort(kept)]
