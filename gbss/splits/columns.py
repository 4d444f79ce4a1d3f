"""The lists of a COCO-format file in columns, which grow by a block of entries at a time."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gbss.splits import entries
from gbss.splits.entries import FEDERATED, Note
from gbss.splits.part import Numbers, Part

ABSENT = -1
"""Length of a list that an image does not have."""


class _Image(msgspec.Struct, gc=False):
    """What is read of an entry of ``images``; parsers skip all else."""

    id: int
    width: int
    height: int
    file_name: str | None = None
    coco_url: str | None = None
    neg_category_ids: list[int] | None = None
    not_exhaustive_category_ids: list[int] | None = None


class _Box(msgspec.Struct, gc=False):
    """The same of ``annotations``."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: int = 0
    ignore: int = 0


class Images(Part):
    """``images``.

    Attributes:
        widths: (rows,) pixels.
        heights: (rows,) pixels.
        file_names: (rows,).
        lengths: Key of a list of category ids → (rows,) its length, or `ABSENT`.
        values: The same key → all lists one after the other.
    """

    name = "images"
    _decoder = msgspec.json.Decoder(list[_Image])

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.widths: Numbers = array("q")
        self.heights: Numbers = array("q")
        self.file_names: list[str] = []
        self.lengths: dict[str, Numbers] = {key: array("q") for key in FEDERATED}
        self.values: dict[str, Numbers] = {key: array("q") for key in FEDERATED}

    def _add(self, rows: list[_Image]) -> bool:
        ids = array("q", [row.id for row in rows])
        widths = array("q", [row.width for row in rows])
        heights = array("q", [row.height for row in rows])
        names = [entries.file_name(row.file_name, row.coco_url) for row in rows]
        safe = all(name is not None and entries.is_safe(name) for name in names)
        if not safe or min(ids) < 0 or min(widths) < 1 or min(heights) < 1:
            return False
        lengths, values = {}, {}
        for key in FEDERATED:
            lists = [getattr(row, key) for row in rows]
            lengths[key] = array("q", [ABSENT if ids_ is None else len(ids_) for ids_ in lists])
            values[key] = array("q", chain.from_iterable(ids_ for ids_ in lists if ids_))
        self.ids += ids
        self.widths += widths
        self.heights += heights
        self.file_names += names
        for key in FEDERATED:
            self.lengths[key] += lengths[key]
            self.values[key] += values[key]
        return True

    def _row(self, entry: Mapping[str, Any], note: Note) -> _Image:
        name = entries.checked_name(entry, note)
        lists = [entries.checked_ids(entry, key, note) for key in FEDERATED]
        return _Image(entry["id"], entry["width"], entry["height"], name, None, *lists)


class Boxes(Part):
    """``annotations``.

    Attributes:
        image_ids: (rows,).
        category_ids: (rows,).
        boxes: (4 * rows,) x, y, width, height in pixels.
        areas: (rows,) square pixels.
        crowd: (rows,) 0 or 1.
        ignored: (rows,) 0 or 1.
    """

    name = "annotations"
    _decoder = msgspec.json.Decoder(list[_Box])

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.image_ids: Numbers = array("q")
        self.category_ids: Numbers = array("q")
        self.boxes: array[float] = array("d")
        self.areas: array[float] = array("d")
        self.crowd: Numbers = array("B")
        self.ignored: Numbers = array("B")

    def _add(self, rows: list[_Box]) -> bool:
        ids = array("q", [row.id for row in rows])
        image_ids = array("q", [row.image_id for row in rows])
        category_ids = array("q", [row.category_id for row in rows])
        boxes = array("d", [*chain.from_iterable([row.bbox for row in rows])])
        areas = array("d", [row.area for row in rows])
        crowd = array("B", [row.iscrowd for row in rows])
        ignored = array("B", [row.ignore for row in rows])
        sizes = np.frombuffer(boxes).reshape(-1, 4)[:, 2:]
        flags = np.frombuffer(crowd, np.uint8) | np.frombuffer(ignored, np.uint8)
        if sizes.min() < 0 or np.frombuffer(areas).min() < 0 or flags.max() > 1:
            return False
        self.ids += ids
        self.image_ids += image_ids
        self.category_ids += category_ids
        self.boxes += boxes
        self.areas += areas
        self.crowd += crowd
        self.ignored += ignored
        return True

    def _row(self, entry: Mapping[str, Any], note: Note) -> _Box:
        *box, area = entries.checked_box(entry, note)
        crowd, ignored = (entries.checked_flag(entry, key, note) for key in ("iscrowd", "ignore"))
        ids = (entry["id"], entry["image_id"], entry["category_id"])
        return _Box(*ids, (box[0], box[1], box[2], box[3]), area, crowd, ignored)


class Categories(Part):
    """``categories``: few, and so taken one by one.

    Attributes:
        names: (rows,).
        frequencies: (rows,) LVIS's r, c or f; None where there is none.
    """

    name = "categories"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.names: list[str] = []
        self.frequencies: list[Any] = []

    def whole(self, text: bytes) -> bool:  # noqa: D102
        return False

    def _add(self, rows: list[Mapping[str, Any]]) -> bool:
        for row in rows:
            self.ids.append(row["id"])
            self.names.append(row["name"])
            self.frequencies.append(row.get("frequency"))
        return True

    def _row(self, entry: Mapping[str, Any], note: Note) -> Mapping[str, Any]:
        entries.check_class_name(entry, note)
        return entry
