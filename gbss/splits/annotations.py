"""Reads COCO-format annotation files into columns and opens the images they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gbss.errors import Faults
from gbss.splits.checks import FREQUENCIES, check_parts
from gbss.splits.columns import ABSENT, Boxes, Images
from gbss.splits.entries import FEDERATED
from gbss.splits.part import Numbers, column
from gbss.splits.parts import LISTS, collect
from gbss.splits.usable import usable_boxes

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Lists = tuple[Ints, Ints]
"""A set of classes for each of N images: offsets (N + 1,), and where they point to: the sets one
after the other, as ascending positions in ``category_ids``."""

ORIENTATION, QUARTER_TURNS = 0x0112, (5, 6, 7, 8)
"""The EXIF tag that says how a camera was held, and its values for a quarter turn."""


@dataclass(frozen=True)
class Annotations:
    """A detection data set, N images and M boxes in columns, by ascending ids.

    Boxes may stand in the order of their file instead, see `read`.

    Attributes:
        path: The file it was read from.
        digest: SHA-256 of that file.
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
        ignored: (M,) whether the file says that a box is to be ignored.
        usable: (M,) whether training can use a box: it is not ignored, at least a pixel wide and
            high, partly inside of its image, and its area is above 0.
        category_ids: (K,).
        names: K class names.
        frequencies: K times LVIS's ``r``, ``c`` or ``f``; None: the file has none.
        negatives: Classes that each image is known to lack; None: not a federated file.
        not_exhaustive: Classes of which not every object of an image has a box; None as above.
        mapped: (N,) whether an image comes from a second data set, all of whose images are labeled
            (see ``class_map.py``); None: there is none.
        pool: (N,) whether an image comes from a set of unlabeled images (see ``pool.py``); None:
            there is none, and a split decides which images are unlabeled.
        further: The other files that it was joined from, each with its SHA-256.
    """

    path: Path
    digest: str
    image_ids: Ints
    file_names: tuple[str, ...]
    widths: Ints
    heights: Ints
    box_ids: Ints
    box_images: Ints
    box_classes: Ints
    boxes: Floats
    areas: Floats
    crowd: Bools
    ignored: Bools
    usable: Bools
    category_ids: Ints
    names: tuple[str, ...]
    frequencies: tuple[str, ...] | None = None
    negatives: Lists | None = None
    not_exhaustive: Lists | None = None
    mapped: Bools | None = None
    pool: Bools | None = None
    further: tuple[tuple[Path, str], ...] = ()

    @property
    def sources(self) -> dict[str, tuple[Path, str]]:
        """The files it was made of, each with its SHA-256, by their names in a list of checksums."""
        named = {f"{path.parent.name or '.'}/{path.name}": (path, sum_) for path, sum_ in self.further}
        return {self.path.name: (self.path, self.digest)} | named

    @property
    def counted(self) -> Bools:
        """(M,) whether a box counts as one of its class: training can use it, and it is one object.

        Whoever draws, counts or groups by boxes goes by these.
        """
        return self.usable & ~self.crowd


def read(
    path: Path,
    classes: Sequence[str] | None = None,
    *,
    unlabeled: bool = False,
    file_order: bool = False,
) -> Annotations:
    """Reads and checks an annotation file, of any size: see docs/decisions/0030.

    Args:
        path: A COCO-format detection file.
        classes: The class names of the task by ascending category id; the file must hold exactly
            these. None: any classes.
        unlabeled: The file may be one of images only, without ``annotations``; ``categories`` do
            not count then.
        file_order: Leave the boxes in the order of the file. A split must not depend on it, but of
            two boxes that a detection overlaps alike, the official tools take the one further down.

    Raises:
        GbssError: Everything that is wrong with the file.
    """
    parts = collect(path, ("images",) if unlabeled else LISTS)
    check_parts(parts, None if unlabeled and not len(parts.boxes.ids) else classes)
    images, kinds = parts.images, parts.categories
    rows, order = _by_id(images.ids), _by_id(kinds.ids)
    image_ids, category_ids = column(images.ids)[rows], column(kinds.ids)[order]
    negatives, not_exhaustive = (_lists(images, key, rows, category_ids) for key in FEDERATED)
    widths, heights = column(images.widths)[rows], column(images.heights)[rows]
    frequencies = tuple(kinds.frequencies[row] for row in order)
    return Annotations(
        path=path,
        digest=parts.digest,
        image_ids=image_ids,
        file_names=tuple(images.file_names[row] for row in rows),
        widths=widths,
        heights=heights,
        **_box_columns(parts.boxes, image_ids, category_ids, widths, heights, file_order),
        category_ids=category_ids,
        names=tuple(kinds.names[row] for row in order),
        frequencies=frequencies if FREQUENCIES.intersection(frequencies) else None,
        negatives=negatives,
        not_exhaustive=not_exhaustive,
    )


def _by_id(ids: Numbers) -> Ints:
    """The rows in the order of their ids."""
    return np.argsort(column(ids), kind="stable")


def _box_columns(
    part: Boxes,
    image_ids: Ints,
    category_ids: Ints,
    widths: Ints,
    heights: Ints,
    file_order: bool,
) -> dict[str, Any]:
    ids = column(part.ids)
    # Millions of boxes are mostly in order already, and stay where they are.
    as_is = file_order or (ids[1:] > ids[:-1]).all()
    order = slice(None) if as_is else _by_id(part.ids)
    columns = {
        "box_ids": ids[order],
        "box_images": np.searchsorted(image_ids, column(part.image_ids)[order]),
        "box_classes": np.searchsorted(category_ids, column(part.category_ids)[order]),
        "boxes": column(part.boxes).reshape(-1, 4)[order],
        "areas": column(part.areas)[order],
        "crowd": column(part.crowd)[order].view(np.bool_),
        "ignored": column(part.ignored)[order].view(np.bool_),
    }
    usable = usable_boxes(
        part.path,
        columns["boxes"],
        columns["areas"],
        columns["ignored"],
        images=columns["box_images"],
        widths=widths,
        heights=heights,
    )
    return columns | {"usable": usable}


def _lists(images: Images, key: str, rows: Ints, category_ids: Ints) -> Lists | None:
    """The lists of ids that the images hold, ascending, by images; None if they hold none."""
    lengths = column(images.lengths[key])
    if (lengths == ABSENT).all():
        return None
    places = np.empty_like(rows)
    places[rows] = np.arange(len(rows))
    classes = max(1, len(category_ids))
    pairs = classes * np.repeat(places, lengths)
    pairs = np.unique(pairs + np.searchsorted(category_ids, column(images.values[key])))
    return np.searchsorted(pairs, classes * np.arange(len(rows) + 1)), pairs % classes


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
                    found = shown_size(image)
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


def shown_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an image as training sees it: turned as its camera was held."""
    width, height = image.size
    turned = image.getexif().get(ORIENTATION) in QUARTER_TURNS
    return (height, width) if turned else (width, height)
