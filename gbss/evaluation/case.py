"""What is evaluated: a ground truth, detections, and the rules that they are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gbss.errors import Faults, fail, nearest
from gbss.evaluation.detection_rows import Bools, Detections, Ints
from gbss.evaluation.detections import read_detections
from gbss.splits.annotations import Annotations
from gbss.splits.annotations import read as read_annotations

Protocol = Literal["coco", "lvis"]
_PROTOCOLS = ("coco", "lvis")

MAX_DETECTIONS = {"coco": 100, "lvis": 300}
"""Detections that count, those with the highest scores: of an image and a class by the rules of
COCO, of an image by those of LVIS."""

LARGEST = 1e10
"""Largest area, in square pixels, of a box that counts: both packages have this limit."""


@dataclass(frozen=True, eq=False)
class Case:
    """A ground truth and detections that fit it.

    Attributes:
        truth: The ground truth, N images, M boxes and K classes; boxes in the order of the file.
        detections: D detections.
        protocol: The rules: ``coco`` (also for Objects365): area "all", crowds are neither found
            nor missed. ``lvis``: only where an image is annotated for a class.
    """

    truth: Annotations
    detections: Detections
    protocol: Protocol

    @property
    def counted(self) -> Bools:
        """(M,) whether a box of the truth is one that can be found or missed."""
        return counted_boxes(self.truth, self.protocol)

    @property
    def images(self) -> Ints:
        """(D,) position of each detection's image."""
        return np.searchsorted(self.truth.image_ids, self.detections.image_ids)

    @property
    def classes(self) -> Ints:
        """(D,) position of each detection's class."""
        return np.searchsorted(self.truth.category_ids, self.detections.category_ids)


def counted_boxes(truth: Annotations, protocol: Protocol) -> Bools:
    """(M,) whether a box is one that can be found or missed.

    COCO's rules know crowds and pass over the key ``ignore``. Those of LVIS know the key, and
    boxes without area do not exist for them; a crowd, which LVIS does not have, is ignored.
    """
    counted: Bools = ~truth.crowd & (truth.areas <= LARGEST)
    if protocol == "lvis":
        counted &= ~truth.ignored & (truth.areas > 0)
    return counted


def load(
    annotation_file: Path,
    detections: Path | Sequence[Any] | Detections,
    classes: Sequence[str] | None = None,
    *,
    protocol: Protocol = "coco",
) -> Case:
    """Reads and checks what is to be evaluated.

    Args:
        annotation_file: Ground truth in COCO format.
        detections: See `read_detections`.
        classes: Names of the task's classes by ascending category id; the annotation file must
            hold exactly these. None: whatever it holds.
        protocol: See `Case`.

    Raises:
        GbssError: What is wrong with one of the two files, all of it at once; a ground truth
            without images or classes is wrong, too.
    """
    truth = read_truth(annotation_file, classes, protocol)
    found = read_detections(detections, images=truth.image_ids, categories=truth.category_ids)
    return Case(truth, found, protocol)


def read_truth(
    annotation_file: Path, classes: Sequence[str] | None, protocol: Protocol
) -> Annotations:
    """Reads and checks the ground truth of a `Case`; see `load`."""
    if protocol not in _PROTOCOLS:
        expected = nearest(protocol, _PROTOCOLS)
        raise fail("protocol", found=repr(protocol), expected=expected, fix="use a known protocol")
    truth = read_annotations(annotation_file, classes, file_order=True)
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
    return truth
