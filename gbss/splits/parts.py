"""Reads the three lists of a COCO-format file in one pass, whatever their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from gbss.errors import Faults, fail
from gbss.progress import meter
from gbss.splits.columns import Boxes, Categories, Images
from gbss.splits.part import Part
from gbss.splits.stream import MalformedError, Walker, line_and_column

LISTS = ("images", "annotations", "categories")
"""The lists of a file."""

LARGE = 1 << 28
"""Bytes from which on progress is shown."""

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
    try:
        with path.open("rb") as stream, _progress(stream, path) as advance:
            walker = Walker(stream, advance)
            _collect(walker, parts, needed)
            parts.digest = walker.digest()
    except FileNotFoundError as error:
        raise fail(
            str(path), found="no such file", expected=f"a {WHAT}", fix="check the path"
        ) from error
    except OSError as error:
        found = error.strerror or str(error)
        raise fail(
            str(path), found=found, expected=f"a readable {WHAT}", fix="check the file"
        ) from error
    except MalformedError as error:
        line, column = line_and_column(path, error.offset)
        raise fail(
            f"{path}: line {line}, column {column}",
            found=f"{error.problem} (truncated or not JSON)",
            expected=f"a {WHAT} in JSON",
            fix="make or fetch the file again",
        ) from error
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


@contextmanager
def _progress(stream: BinaryIO, path: Path) -> Iterator[Callable[[int], None]]:
    """Progress of reading a file, if it is a large one."""
    size = os.fstat(stream.fileno()).st_size
    if size < LARGE:
        yield lambda _: None
    else:
        with meter(size, f"reading {path}") as advance:
            yield advance
