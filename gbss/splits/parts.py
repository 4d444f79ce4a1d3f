"""Reads the three lists of a COCO-format file in one pass, whatever their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gbss.errors import Faults, fail
from gbss.splits.columns import Boxes, Categories, Images
from gbss.splits.part import Part
from gbss.splits.stream import Walker
from gbss.splits.walk import walk

LISTS = ("images", "annotations", "categories")
"""The lists of a file."""

NOT_COCO = "give a COCO-format detection annotation file"
WHAT = "COCO-format annotation file"

_any = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass
class Parts:
    """The lists of a file that was read.

    Attributes:
        path: The file.
        images: ``images``.
        boxes: ``annotations``.
        categories: ``categories``.
        faults: What is wrong with the file as a whole.
        there: Names of the parts that are there and lists.
        digest: SHA-256 of the file.
    """

    path: Path
    images: Images
    boxes: Boxes
    categories: Categories
    faults: Faults = field(default_factory=Faults)
    there: set[str] = field(default_factory=set)
    digest: str = ""

    def __iter__(self) -> Iterator[Part]:
        return iter((self.images, self.boxes, self.categories))


def collect(path: Path, needed: Sequence[str] = LISTS) -> Parts:
    """Reads a file in columns, and notes what is wrong with single entries.

    Args:
        path: The file.
        needed: The lists that must be there. Boxes need categories in any case.

    Raises:
        GbssError: The file cannot be read, is no JSON, or something else altogether.
    """
    parts = Parts(path, Images(path), Boxes(path), Categories(path))
    with walk(path, WHAT) as walker:
        _collect(walker, parts, needed)
        parts.digest = walker.digest()
    return parts


def _collect(walker: Walker, parts: Parts, needed: Sequence[str]) -> None:
    wanted = {part.name: part for part in parts}
    found: dict[str, str] = {}
    if (first := walker.peek()) != b"{":
        kind = "list" if first == b"[" else type(walker.value()).__name__
        expected = f"an object with {', '.join(wanted)}"
        raise fail(str(parts.path), found=f"a {kind}", expected=expected, fix=NOT_COCO)
    for key in walker.members():
        if key in found or key in parts.there:
            found[key] = f"{key!r} twice"
        is_list = walker.peek() == b"["
        if is_list and key in wanted and key not in found:
            parts.there.add(key)
            walker.entries(wanted[key].whole, wanted[key].several)
        elif is_list:
            walker.entries(_is_json, lambda _: None)
        else:
            kind = type(walker.value()).__name__
            found.setdefault(key, f"{key!r} is a {kind}")
    if len(parts.boxes.ids):
        needed = LISTS
    for key in wanted:
        if key in found or (key in needed and key not in parts.there):
            problem = found.get(key, f"no {key!r}")
            expected = f"one list {key!r}"
            parts.faults.add(str(parts.path), found=problem, expected=expected, fix=NOT_COCO)


def _is_json(text: bytes) -> bool:
    try:
        _any(text)
    except msgspec.DecodeError:
        return False
    return True
