"""Reads COCO-format annotation files into columns and opens the images they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gbss.errors import Faults
from gbss.files import read_json
from gbss.splits.checks import Entry, check_content

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Lists = tuple[Ints, Ints]
"""A list of classes for each of N images: offsets (N + 1,) into positions in ``category_ids``."""


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
        negatives: Classes that each image is known to lack; None: not a federated file.
        not_exhaustive: Classes of which not every object of an image has a box; None as above.
        mapped: (N,) whether an image comes from a second data set, all of whose images are labeled
            (see ``class_map.py``); None: there is none.
        further: The other files that it was joined from.
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
    negatives: Lists | None = None
    not_exhaustive: Lists | None = None
    mapped: NDArray[np.bool_] | None = None
    further: tuple[Path, ...] = ()

    @property
    def sources(self) -> dict[str, Path]:
        """The files it was made of, by the names they have in a list of checksums."""
        named = {f"{path.parent.name}/{path.name}": path for path in self.further}
        return {self.path.name: self.path} | named


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
    return _columns(path, check_content(path, content, classes))


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
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
                fix = "fetch the image again"
                faults.add(where, found=f"unreadable: {error}", expected=expected, fix=fix)
            else:
                if found != size:
                    size_found = f"{found[0]} x {found[1]} pixels"
                    fix = "check that images and annotations belong together"
                    faults.add(where, found=size_found, expected=expected, fix=fix)


def _columns(path: Path, parts: Mapping[str, list[Entry]]) -> Annotations:
    images, rows, kinds = (
        sorted(parts[part], key=lambda entry: int(entry["id"]))
        for part in ("images", "annotations", "categories")
    )

    def ints(entries: list[Entry], key: str) -> Ints:
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
        negatives=_lists(path, images, "neg_category_ids", category_ids),
        not_exhaustive=_lists(path, images, "not_exhaustive_category_ids", category_ids),
    )


def _lists(path: Path, images: Sequence[Entry], key: str, category_ids: Ints) -> Lists | None:
    """A list of category ids per image as a column; None if no image has one."""
    if not any(key in entry for entry in images):
        return None
    known = set(category_ids.tolist())
    with Faults() as faults:
        for entry in images:
            listed = entry.get(key)
            if not isinstance(listed, list) or not all(id_ in known for id_ in listed):
                expected = f"{key}: a list of ids in 'categories', as in other images"
                where, found = f"{path}: image {entry['id']}", f"{key}: {shown(listed)}"
                faults.add(where, found=found, expected=expected, fix="correct the entry")
    lists = [sorted(set(entry[key])) for entry in images]
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    ids = np.array([id_ for each in lists for id_ in each], dtype=np.int64)
    return offsets, np.searchsorted(category_ids, ids)
