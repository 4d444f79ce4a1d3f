"""Detections in COCO's result format, a JSON list with an object for each."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from numbers import Integral
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import msgspec
import numpy as np

from gbss.errors import Faults, fail
from gbss.evaluation.detection_rows import ROWS, Bools, Detection, Detections, Floats
from gbss.files import atomic_path
from gbss.schema import is_finite
from gbss.splits.part import Numbers, column
from gbss.splits.walk import walk

WHAT = "list of detections"
REMAKE = "write the detections again with `gbss detect`"

_KEYS = ("image_id", "category_id", "bbox", "score")
_LARGEST = np.iinfo(np.int64).max


class _Entry(msgspec.Struct, gc=False):
    """What is read of an entry; the parser skips all else."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float


_decode = msgspec.json.Decoder(list[_Entry]).decode


class _Columns:
    """The columns while they grow; entries that are wrong become faults and no rows."""

    def __init__(self, where: str, faults: Faults) -> None:
        self._where = where
        self._faults = faults
        self._number = 0
        self._images: Numbers = array("q")
        self._categories: Numbers = array("q")
        self._boxes: array[float] = array("d")
        self._scores: array[float] = array("d")

    def whole(self, text: bytes) -> bool:
        """Takes a list of entries, all or, if anything is unusual or wrong, none of them."""
        try:
            found = _decode(text)
            images = array("q", [entry.image_id for entry in found])
            categories = array("q", [entry.category_id for entry in found])
            boxes = array("d", [*chain.from_iterable([entry.bbox for entry in found])])
            scores = array("d", [entry.score for entry in found])
        except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
            return False
        if not sound(np.frombuffer(boxes).reshape(-1, 4), np.frombuffer(scores)).all():
            return False
        self._images += images
        self._categories += categories
        self._boxes += boxes
        self._scores += scores
        self._number += len(found)
        return True

    def several(self, found: Sequence[Any]) -> None:
        """Takes entries one by one, and notes all that is wrong with them."""
        for entry in found:
            detection = checked(entry, f"{self._where}: entry {self._number}", self._faults)
            self._number += 1
            if detection is not None:
                self._images.append(detection["image_id"])
                self._categories.append(detection["category_id"])
                self._boxes.extend(detection["bbox"])
                self._scores.append(detection["score"])

    def result(self) -> Detections:
        return Detections(
            image_ids=column(self._images),
            category_ids=column(self._categories),
            boxes=column(self._boxes).reshape(-1, 4),
            scores=column(self._scores),
        )


def read_json(path: Path, faults: Faults) -> Detections:
    """Reads a file, of any size; what is wrong with single entries is noted.

    Raises:
        GbssError: The file cannot be read, or is no list in JSON.
    """
    columns = _Columns(str(path), faults)
    with walk(path, WHAT) as walker:
        if walker.peek() != b"[":
            raise fail(str(path), found=shown(walker.value()), expected=f"a {WHAT}", fix=REMAKE)
        walker.entries(columns.whole, columns.several)
        walker.end()
    return columns.result()


def from_entries(entries: Sequence[Any], where: str, faults: Faults) -> Detections:
    """The same from a list in memory."""
    if not isinstance(entries, list | tuple):
        raise fail(where, found=shown(entries), expected=f"a {WHAT}", fix=REMAKE)
    columns = _Columns(where, faults)
    columns.several(entries)
    return columns.result()


def write_json(path: Path, detections: Detections) -> None:
    """Writes detections in COCO's result format, in one step, without loss."""
    encode = msgspec.json.Encoder().encode
    entries = detections.entries()
    with atomic_path(path) as beside, beside.open("wb") as stream:
        stream.write(b"[")
        for start in range(0, len(detections), ROWS):
            block = [entry for _, entry in zip(range(ROWS), entries, strict=False)]
            stream.write((b",\n" if start else b"\n") + encode(block)[1:-1])
        stream.write(b"\n]\n")


def sound(boxes: Floats, scores: Floats) -> Bools:
    """(N,) whether boxes and scores are finite, widths and heights not negative."""
    # One pass without temporary columns tells nearly always.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(boxes.sum() + scores.sum()) and not (boxes[:, 2:] < 0).any():
            return np.ones(len(scores), np.bool_)
    finite: Bools = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    return finite & (boxes[:, 2:] >= 0).all(axis=1)


def is_integer(value: object) -> bool:
    """Whether a value is an integer of Python's or NumPy's, and no boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def checked(entry: Any, where: str, faults: Faults) -> Detection | None:
    """The detection in plain Python numbers, or None after its faults were noted."""
    missing = [key for key in _KEYS if not isinstance(entry, dict) or key not in entry]
    if missing:
        faults.add(
            where,
            found=f"no {', '.join(missing)}" if isinstance(entry, dict) else shown(entry),
            expected=f"an object with {', '.join(_KEYS)}",
            fix=REMAKE,
        )
        return None
    before = len(faults)

    def refuse(key: str, expected: str) -> None:
        faults.add(where, found=f"{key} {shown(entry[key])}", expected=expected, fix=REMAKE)

    for key in ("image_id", "category_id"):
        value = entry[key]
        if not is_integer(value) or not -_LARGEST <= int(value) <= _LARGEST:
            refuse(key, "an integer of 64 bits")
    if not is_finite(entry["score"]):
        refuse("score", "a finite number")
    box = entry["bbox"]
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(is_finite, box)):
        refuse("bbox", "[x, y, width, height], four finite numbers")
    elif box[2] < 0 or box[3] < 0:
        refuse("bbox", "width and height of at least 0")
    if len(faults) > before:
        return None
    return Detection(
        image_id=int(entry["image_id"]),
        category_id=int(entry["category_id"]),
        bbox=[float(side) for side in box],
        score=float(entry["score"]),
    )
