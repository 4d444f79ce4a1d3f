"""Pseudo labels against the annotations that training never saw: precision and recall by class."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults, fail
from gbss.evaluation.detection_columns import COLUMNS, check_shapes
from gbss.evaluation.detection_json import sound
from gbss.evaluation.found import Found
from gbss.evaluation.matching import IOU, countable, match
from gbss.files import atomic_path
from gbss.splits.annotations import Annotations, Bools, Floats, Ints

IMAGES = 5000
"""Unlabeled images that are looked at unless asked otherwise."""

_REMAKE = "write it again with `gbss pseudo-labels`"


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """What a teacher found in unlabeled images, and the thresholds that its run ended with.

    Attributes:
        sample: (S,) ids of the images that were looked at, ascending.
        of: Number of unlabeled images that they were drawn from.
        thresholds: (n,) a detection of a class is a pseudo label above this score.
        image_ids: (D,) of all detections, pseudo labels or not.
        category_ids: (D,).
        boxes: (D, 4) x, y, width, height in pixels of the original image.
        scores: (D,).
    """

    sample: Ints
    of: int
    thresholds: Floats
    image_ids: Ints
    category_ids: Ints
    boxes: Floats
    scores: Floats

    def found(self, truth: Annotations) -> Found:
        """The pseudo labels: the detections above the thresholds of their classes.

        Raises:
            GbssError: The ground truth lacks an image or a class of theirs.
        """
        for what, ids, known in (
            ("image", self.sample, truth.image_ids),
            ("image", self.image_ids, self.sample),
            ("category", self.category_ids, truth.category_ids),
        ):
            if (strange := ids[~np.isin(ids, known)]).size:
                raise fail(
                    f"pseudo labels: {what} {strange[0]}",
                    found=f"{len(np.unique(strange))} unknown id(s)",
                    expected=f"images and classes of {truth.path}",
                    fix=_REMAKE,
                )
        found = Found.of(truth, self.image_ids, self.category_ids, self.boxes, self.scores)
        return found.where(found.scores > self.thresholds[found.classes])

    def looked_at(self, truth: Annotations) -> Bools:
        """(N,) which images of the ground truth were looked at."""
        return np.isin(truth.image_ids, self.sample)


@dataclass(frozen=True, eq=False)
class Quality:
    """Right and wrong pseudo labels of each of K classes.

    Attributes:
        right: (K,) that found an object of their class, each another one.
        wrong: (K,) that did not.
        objects: (K,) in the images that count: no crowds, for instance.
    """

    right: Ints
    wrong: Ints
    objects: Ints

    @property
    def precision(self) -> Floats:
        """(K,) share of the pseudo labels that are right; NaN for a class without any."""
        return _share(self.right, self.right + self.wrong)

    @property
    def recall(self) -> Floats:
        """(K,) share of the objects that a pseudo label found; NaN for a class without any."""
        return _share(self.right, self.objects)


def quality(found: Found, truth: Annotations, images: Bools) -> Quality:
    """Counts pseudo labels by class, at IoU 0.5.

    With a federated ground truth its rules hold, see `gbss.evaluation.matching.match`.

    Args:
        found: The pseudo labels.
        truth: The hidden annotations.
        images: (N,) which images were looked at: objects elsewhere could not be found.
    """
    matches = match(found, truth, IOU)

    def count(classes: Ints) -> Ints:
        return np.bincount(classes, minlength=len(truth.category_ids))

    objects = images[truth.box_images] & countable(truth)
    return Quality(
        right=count(found.classes[matches.right]),
        wrong=count(found.classes[matches.wrong]),
        objects=count(truth.box_classes[objects]),
    )


def write_pseudo_labels(path: Path, labels: PseudoLabels) -> None:
    """Writes NumPy's ``.npz`` in one step; boxes, scores and thresholds are float32."""
    columns: dict[str, NDArray[Any]] = {
        "sample": labels.sample,
        "of": np.array(labels.of),
        "thresholds": labels.thresholds.astype(np.float32),
        "image_ids": labels.image_ids,
        "category_ids": labels.category_ids,
        "boxes": labels.boxes.astype(np.float32),
        "scores": labels.scores.astype(np.float32),
    }
    with atomic_path(path) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **columns)


def read_pseudo_labels(path: Path) -> PseudoLabels:
    """Reads what `write_pseudo_labels` wrote.

    Raises:
        GbssError: The file is missing or broken.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            stored = dict(archive.items())
            of = int(stored["of"])
    except FileNotFoundError as error:
        raise fail(
            str(path), found="no such file", expected="pseudo labels", fix=_REMAKE
        ) from error
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise fail(
            str(path), found=f"unreadable: {error}", expected="pseudo labels", fix=_REMAKE
        ) from error
    _check(path, stored)
    return PseudoLabels(
        sample=stored["sample"],
        of=of,
        thresholds=stored["thresholds"].astype(np.float64),
        image_ids=stored["image_ids"],
        category_ids=stored["category_ids"],
        boxes=stored["boxes"].astype(np.float64),
        scores=stored["scores"].astype(np.float64),
    )


def _check(path: Path, stored: Mapping[str, NDArray[Any]]) -> None:
    with Faults() as faults:
        check_shapes(path, stored, COLUMNS, faults, fix=_REMAKE)
        check_shapes(path, stored, {"sample": ("i", ())}, faults, fix=_REMAKE)
        check_shapes(path, stored, {"thresholds": ("f", ())}, faults, fix=_REMAKE)
    with Faults() as faults:
        if bad := np.count_nonzero(~sound(stored["boxes"], stored["scores"])):
            faults.add(
                str(path),
                found=f"{bad:,} detection(s) with a number that is not finite, or a negative size",
                expected="finite numbers, widths and heights of 0 or more",
                fix=_REMAKE,
            )
        if not np.isfinite(stored["thresholds"]).all():
            found, expected = "NaN or infinity", "finite numbers"
            faults.add(f"{path}: thresholds", found=found, expected=expected, fix=_REMAKE)


def _share(part: Ints, whole: Ints) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return share
