"""The COCO-format files that training and evaluation read: what they need, and no more."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from gbss.errors import Faults
from gbss.files import atomic_path
from gbss.progress import meter
from gbss.splits.annotations import Annotations, Ints, Lists
from gbss.splits.build import Split, minority_mask
from gbss.splits.entries import FEDERATED

Bools = NDArray[np.bool_]

ROWS = 1 << 12
"""How many entries are in memory at a time."""

LARGE = 1 << 21
"""Boxes from which on progress is shown."""


class _Box(msgspec.Struct, gc=False):
    """An entry of ``annotations``, its keys in the order of the file."""

    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int
    ignore: int | UnsetType = UNSET


def write_coco(split: Split, annotations: Annotations, coco: Path) -> None:
    """Writes the annotation files of a split, identical bytes for identical input.

    ``labeled.json`` holds what training sees, without the boxes that it cannot use;
    ``unlabeled.json`` images only; ``unlabeled_hidden.json`` all boxes of these images.
    """
    labeled = np.union1d(split.base, split.few_shot)
    seen, hidden = seen_boxes(split, annotations), box_images_in(annotations, split.unlabeled)
    nothing = np.zeros(len(annotations.box_ids), dtype=np.bool_)
    if useless := np.count_nonzero(seen & ~annotations.usable):
        what = "boxes to be ignored, below a pixel, outside of their image or without area"
        print(f"{coco / 'labeled.json'}: left out {useless:,} {what}", file=sys.stderr)
    # What an image lacks is an annotation, too.
    silent = replace(annotations, negatives=None, not_exhaustive=None)
    _write(silent, split.unlabeled, nothing, coco / "unlabeled.json")
    _write(annotations, split.unlabeled, hidden, coco / "unlabeled_hidden.json")
    _write(annotations, labeled, seen & annotations.usable, coco / "labeled.json")


def check_coco(split: Split, annotations: Annotations, coco: Path) -> None:
    """Compares the annotation files that training reads with those that a split gives.

    Raises:
        GbssError: Every file that is missing or another one.
    """
    with TemporaryDirectory(dir=coco.parent, prefix=".verify-") as scratch, Faults() as faults:
        write_coco(split, annotations, Path(scratch))
        for right in sorted(Path(scratch).glob("*.json")):
            path = coco / right.name
            if not path.is_file() or not cmp(path, right, shallow=False):
                found = "other content than the split gives" if path.is_file() else "no such file"
                fix = "write it anew: gbss split"
                expected = "the file that `gbss split` writes"
                faults.add(str(path), found=found, expected=expected, fix=fix)


def write_validation(annotations: Annotations, path: Path) -> None:
    """Writes an annotation file as evaluation needs it: checked, sorted by id, without polygons.

    All boxes stay: COCO's evaluation counts those, too, that training cannot use.
    """
    every = np.ones(len(annotations.box_ids), dtype=np.bool_)
    _write(annotations, annotations.image_ids, every, path)


def write_all(annotations: Annotations, path: Path) -> None:
    """Writes all train images with every box that training can use: labels that no split has."""
    _write(annotations, annotations.image_ids, annotations.usable, path)


def seen_boxes(split: Split, annotations: Annotations) -> Bools:
    """Which of the M boxes training sees: those of few-shot images, and majority ones of base."""
    majority = ~minority_mask(annotations, split.recipe)[annotations.box_classes]
    few_shot = box_images_in(annotations, split.few_shot)
    return few_shot | (box_images_in(annotations, split.base) & majority)


def box_images_in(annotations: Annotations, image_ids: Ints) -> Bools:
    """Which of the M boxes lie in the given images."""
    return np.isin(annotations.image_ids, image_ids)[annotations.box_images]


def _write(annotations: Annotations, image_ids: Ints, boxes: Bools, path: Path) -> None:
    images = np.flatnonzero(np.isin(annotations.image_ids, image_ids))
    rows = np.flatnonzero(boxes)
    shown = meter(len(rows), f"writing {path}", unit="boxes")
    with (
        atomic_path(path) as beside,
        beside.open("wb") as stream,
        shown if len(rows) >= LARGE else nullcontext(lambda _: None) as advance,
    ):
        stream.write(b'{"images": [')
        stream.writelines(_joined(_images(annotations, part) for part in _parts(images)))
        stream.write(b'], "annotations": [')
        for text, part in zip(
            _joined(_boxes(annotations, part) for part in _parts(rows)), _parts(rows), strict=True
        ):
            stream.write(text)
            advance(len(part))
        stream.write(b'], "categories": [' + _text(_categories(annotations)) + b"]}\n")


def _parts(rows: Ints) -> Iterator[Ints]:
    return (rows[start : start + ROWS] for start in range(0, len(rows), ROWS))


def _joined(texts: Iterable[bytes]) -> Iterator[bytes]:
    """The texts with what stands between two entries of a list before all but the first."""
    for number, text in enumerate(texts):
        yield (b", " if number else b"") + text


def _text(entries: list[dict[str, Any]]) -> bytes:
    """Entries as JSON, without the brackets of the list."""
    return json.dumps(entries).encode()[1:-1]


def _images(annotations: Annotations, rows: Ints) -> bytes:
    entries: list[dict[str, Any]] = [
        {"id": id_, "file_name": annotations.file_names[row], "width": width, "height": height}
        for row, id_, width, height in zip(
            rows.tolist(),
            annotations.image_ids[rows].tolist(),
            annotations.widths[rows].tolist(),
            annotations.heights[rows].tolist(),
            strict=True,
        )
    ]
    for key, lists in zip(
        FEDERATED, (annotations.negatives, annotations.not_exhaustive), strict=True
    ):
        if lists is not None:
            for entry, row in zip(entries, rows, strict=True):
                entry[key] = _classes(annotations, lists, row)
    return _text(entries)


def _classes(annotations: Annotations, lists: Lists, row: int) -> list[int]:
    """The category ids in one image's list."""
    offsets, values = lists
    ids: list[int] = annotations.category_ids[values[offsets[row] : offsets[row + 1]]].tolist()
    return ids


def _boxes(annotations: Annotations, rows: Ints) -> bytes:
    boxes = list(
        map(
            _Box,
            annotations.box_ids[rows].tolist(),
            annotations.image_ids[annotations.box_images[rows]].tolist(),
            annotations.category_ids[annotations.box_classes[rows]].tolist(),
            annotations.boxes[rows].tolist(),
            annotations.areas[rows].tolist(),
            annotations.crowd[rows].astype(np.uint8).tolist(),
        )
    )
    for number in np.flatnonzero(annotations.ignored[rows]):
        boxes[number].ignore = 1
    # The spaces that json.dumps puts in; there are no strings but the keys.
    return msgspec.json.encode(boxes)[1:-1].replace(b",", b", ").replace(b":", b": ")


def _categories(annotations: Annotations) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {"id": id_, "name": name}
        for id_, name in zip(annotations.category_ids.tolist(), annotations.names, strict=True)
    ]
    if annotations.frequencies is not None:
        for entry, frequency in zip(entries, annotations.frequencies, strict=True):
            entry["frequency"] = frequency
    return entries
