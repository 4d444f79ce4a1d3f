"""Reads COCO-format annotation files into columns and reports everything wrong with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gbss.errors import Faults, fail, nearest
from gbss.files import read_json

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Entries = list[tuple[str, Mapping[str, Any]]]

NUMBER = (int, float)
KEYS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "images": {"id": int, "file_name": str, "width": int, "height": int},
    "annotations": {"id": int, "image_id": int, "category_id": int, "bbox": list, "area": NUMBER},
    "categories": {"id": int, "name": str},
}
"""What each part of the file must hold, and of which type."""

NOT_COCO = "give a COCO-format detection annotation file"
OTHER_CLASSES = "give the annotation file that belongs to the task"

KNOWN_FLAT = frozenset({200365, 550395})
"""Images of COCO train2017 that hold one box of height 0 each (cocodataset/cocoapi#355). Those two
boxes are left out; anywhere else such a box is a fault."""


@dataclass(frozen=True)
class Annotations:
    """A detection data set, N images and M boxes in columns, by ascending ids.

    Attributes:
        path: The file it was read from.
        image_ids: (N,).
        file_names: N names, relative to the image folder.
        widths: (N,) pixels.
        heights: (N,) pixels.
        box_ids: (M,) annotation ids.
        box_images: (M,) position of each box's image in ``image_ids``.
        box_classes: (M,) position of each box's class in ``category_ids``.
        boxes: (M, 4) x, y, width, height in pixels.
        areas: (M,) area of the object in square pixels.
        crowd: (M,) whether a box stands for a group of objects.
        category_ids: (K,).
        names: K class names.
    """

    path: Path
    image_ids: Ints
    file_names: tuple[str, ...]
    widths: Ints
    heights: Ints
    box_ids: Ints
    box_images: Ints
    box_classes: Ints
    boxes: Floats
    areas: Floats
    crowd: NDArray[np.bool_]
    category_ids: Ints
    names: tuple[str, ...]


def read(path: Path, classes: Sequence[str] | None = None) -> Annotations:
    """Reads and checks an annotation file.

    Args:
        path: A COCO-format detection file.
        classes: The class names of the task by ascending category id; the file must hold exactly
            these. None: any classes.

    Raises:
        GbssError: Everything that is wrong with the file.
    """
    content = read_json(path, what="COCO-format annotation file")
    if not isinstance(content, dict):
        expected = f"an object with {', '.join(KEYS)}"
        raise fail(str(path), found=f"a {type(content).__name__}", expected=expected, fix=NOT_COCO)
    with Faults() as faults:
        parts = {part: _entries(path, content, part, faults) for part in KEYS}
        for part, entries in parts.items():
            _check_unique(path, part, entries, faults)
        boxes = _boxes(path, parts, faults)
        if classes is not None and (parts["categories"] or not len(faults)):
            _check_classes(path, parts["categories"], classes, faults)
    return _columns(path, parts, boxes)


def check_images(annotations: Annotations, folder: Path) -> None:
    """Opens every image of an annotation file.

    Args:
        annotations: Names and sizes.
        folder: The image folder.

    Raises:
        GbssError: Every image that is missing, unreadable, truncated or of another size.
    """
    with Faults() as faults:
        for number, name in enumerate(annotations.file_names):
            size = (int(annotations.widths[number]), int(annotations.heights[number]))
            where = f"{folder / name}: image {annotations.image_ids[number]}"
            expected = f"an image of {size[0]} x {size[1]} pixels"
            try:
                with Image.open(folder / name) as image:
                    found = image.size
                    # Unlike verify(), decoding finds truncated JPEGs; at a small scale it is cheap.
                    image.draft(None, (1, 1))
                    image.load()
            except FileNotFoundError:
                faults.add(where, found="no such file", expected=expected, fix="fetch the image")
            except (OSError, SyntaxError, ValueError) as error:
                fix = "fetch the image again"
                faults.add(where, found=f"unreadable: {error}", expected=expected, fix=fix)
            else:
                if found != size:
                    size_found = f"{found[0]} x {found[1]} pixels"
                    fix = "check that images and annotations belong together"
                    faults.add(where, found=size_found, expected=expected, fix=fix)


def _entries(path: Path, content: Mapping[str, Any], part: str, faults: Faults) -> Entries:
    """The sound entries of one part of the file, each with where it stands."""
    entries = content.get(part)
    if not isinstance(entries, list):
        found = f"{part!r} is a {type(entries).__name__}" if part in content else f"no {part!r}"
        faults.add(str(path), found=found, expected=f"a list {part!r}", fix=NOT_COCO)
        return []
    return list(_sound(path, part, entries, faults))


def _sound(
    path: Path, part: str, entries: list[Any], faults: Faults
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    keys = KEYS[part]
    for number, entry in enumerate(entries):
        id_ = entry.get("id", "without id") if isinstance(entry, dict) else "no object"
        where = f"{path}: {part}[{number}] (id {id_})"
        if not isinstance(entry, dict):
            fix = "correct the entry"
            faults.add(where, found=repr(entry)[:60], expected=f"{', '.join(keys)}", fix=fix)
            continue
        wrong = [
            key
            for key, kind in keys.items()
            if not isinstance(entry.get(key), kind) or isinstance(entry[key], bool)
        ]
        for key in wrong:
            found = f"{key}: {entry[key]!r}" if key in entry else f"no {key!r}"
            kind = keys[key]
            expected = f"{key}: {kind.__name__ if isinstance(kind, type) else 'number'}"
            faults.add(where, found=found, expected=expected, fix="correct the entry")
        if not wrong:
            yield where, entry


def _check_unique(path: Path, part: str, entries: Entries, faults: Faults) -> None:
    keys = ("id", "name") if part == "categories" else ("id",)
    for key in keys:
        seen: dict[Any, str] = {}
        for where, entry in entries:
            if entry[key] in seen:
                found = f"{key} {entry[key]!r}, as in {seen[entry[key]].removeprefix(f'{path}: ')}"
                fix = "remove or renumber one of them"
                faults.add(where, found=found, expected=f"each {key} once", fix=fix)
            seen.setdefault(entry[key], where)


def _boxes(path: Path, parts: Mapping[str, Entries], faults: Faults) -> Entries:
    """The annotations to keep; notes every bad box and every reference to nothing."""
    known = {
        "image_id": {entry["id"] for _, entry in parts["images"]},
        "category_id": {entry["id"] for _, entry in parts["categories"]},
    }
    kept = []
    for where, entry in parts["annotations"]:
        for key, ids in known.items():
            if entry[key] not in ids:
                what = "images" if key == "image_id" else "categories"
                fix = f"remove the annotation or add the entry to {what!r}"
                expected = f"an id listed in {what!r}"
                faults.add(where, found=f"{key}: {entry[key]}", expected=expected, fix=fix)
        box, area = entry["bbox"], entry["area"]
        finite = all(isinstance(v, NUMBER) and math.isfinite(v) for v in [*box, area])
        if finite and len(box) == 4 and box[3] == 0 and entry["image_id"] in KNOWN_FLAT:
            continue
        if not (finite and len(box) == 4 and box[2] > 0 and box[3] > 0 and area >= 0):
            expected = "bbox: [x, y, width, height] and area, finite, width and height above 0"
            found = f"bbox: {box}, area: {area}"
            faults.add(where, found=found, expected=expected, fix="correct or remove the box")
        if entry.get("iscrowd", 0) not in (0, 1):
            found = f"iscrowd: {entry['iscrowd']!r}"
            faults.add(where, found=found, expected="iscrowd: 0 or 1", fix="correct the entry")
        kept.append((where, entry))
    return kept


def _check_classes(path: Path, categories: Entries, classes: Sequence[str], faults: Faults) -> None:
    """The classes of the task: detectors would silently train without a misspelt one."""
    found = [entry["name"] for _, entry in sorted(categories, key=lambda pair: pair[1]["id"])]
    where = f"{path}: categories"
    for name in classes:
        if name not in found:
            expected = nearest(name, found) if found else "a list of categories"
            faults.add(where, found=f"no class {name!r}", expected=expected, fix=OTHER_CLASSES)
    for name in found:
        if name not in classes:
            expected = "only the classes of the task"
            faults.add(where, found=f"class {name!r}", expected=expected, fix=OTHER_CLASSES)
    if sorted(found) == sorted(classes) and found != list(classes):
        order = f"by ascending id: {', '.join(found)}"
        expected = f"the order of the task: {', '.join(classes)}"
        faults.add(where, found=order, expected=expected, fix=OTHER_CLASSES)


def _columns(path: Path, parts: Mapping[str, Entries], boxes: Entries) -> Annotations:
    images = sorted((entry for _, entry in parts["images"]), key=lambda entry: int(entry["id"]))
    kinds = sorted((entry for _, entry in parts["categories"]), key=lambda entry: int(entry["id"]))
    rows = sorted((entry for _, entry in boxes), key=lambda entry: int(entry["id"]))

    def ints(entries: list[Mapping[str, Any]], key: str) -> Ints:
        return np.array([entry[key] for entry in entries], dtype=np.int64)

    image_ids, category_ids = ints(images, "id"), ints(kinds, "id")
    return Annotations(
        path=path,
        image_ids=image_ids,
        file_names=tuple(entry["file_name"] for entry in images),
        widths=ints(images, "width"),
        heights=ints(images, "height"),
        box_ids=ints(rows, "id"),
        box_images=np.searchsorted(image_ids, ints(rows, "image_id")),
        box_classes=np.searchsorted(category_ids, ints(rows, "category_id")),
        boxes=np.array([entry["bbox"] for entry in rows], dtype=np.float64).reshape(-1, 4),
        areas=np.array([entry["area"] for entry in rows], dtype=np.float64),
        crowd=np.array([entry.get("iscrowd", 0) for entry in rows], dtype=np.bool_),
        category_ids=category_ids,
        names=tuple(entry["name"] for entry in kinds),
    )
