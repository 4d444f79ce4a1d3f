"""What a single entry of a COCO-format file must hold, checked one by one and in our own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from reprlib import repr as shown
from typing import Any, Protocol

from gbss.schema import is_finite

Entry = Mapping[str, Any]

NUMBER = (int, float)
KEYS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "images": {"id": int, "file_name": str, "width": int, "height": int},
    "annotations": {"id": int, "image_id": int, "category_id": int, "bbox": list, "area": NUMBER},
    "categories": {"id": int, "name": str},
}
"""What each part of the file must hold, and of which type."""

LARGEST_ID = 2**63 - 1
"""The largest id that an annotation file can hold (64 bits)."""

FEDERATED = ("neg_category_ids", "not_exhaustive_category_ids")
"""Lists of an image of LVIS: the classes it is known to lack, and those of which it may hold
objects without a box."""

FILE_NAME = re.compile(
    # No drive, and parts that are neither empty nor "..", so no slash at either end.
    r"(?![A-Za-z]:)(?:(?!\.\.(?:/|\Z))[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+(?:/(?!\Z)|\Z))+"
)
"""A file name that stays in its folder on every system."""

_CORRECT = "correct the entry"


class Note(Protocol):
    """Notes a fault of the entry in hand; see `gbss.errors.Fault`."""

    def __call__(self, *, found: str, expected: str, fix: str) -> None: ...  # noqa: D102


def file_name(name: Any, address: Any) -> Any:
    """An image's file name: LVIS gives an address only, which ends in ``<folder>/<file>``."""
    if name is None and isinstance(address, str):
        return "/".join(address.split("/")[-2:])
    return name


def is_safe(name: str) -> bool:
    """Whether a file name stays in its folder."""
    return FILE_NAME.fullmatch(name) is not None


def has_types(part: str, entry: Any, note: Note) -> bool:
    """Whether an entry holds all it must, of the right types; notes what is not so."""
    keys = KEYS[part]
    if not isinstance(entry, dict):
        note(found=shown(entry), expected=", ".join(keys), fix=_CORRECT)
        return False
    sound = True
    for key, kind in keys.items():
        value = entry.get(key)
        if key == "file_name":
            value = file_name(value, entry.get("coco_url"))
        expected = _misfit(part, key, kind, value)
        if expected is not None:
            found = f"{key}: {shown(value)}" if key in entry else f"no {key!r}"
            note(found=found, expected=f"{key}: {expected}", fix=_CORRECT)
            sound = False
    return sound


def _misfit(part: str, key: str, kind: type | tuple[type, ...], value: Any) -> str | None:
    """What is expected instead of a value; None if it is sound."""
    if not isinstance(value, kind) or isinstance(value, bool):
        return kind.__name__ if isinstance(kind, type) else "number"
    if kind is int and isinstance(value, int):
        if not _is_int64(value):
            return "int of at most 64 bits"
        if key in ("width", "height") and value < 1:
            return "at least 1"
        if part == "images" and key == "id" and value < 0:
            return "at least 0"
    return None


def _is_int64(value: Any) -> bool:
    sound = isinstance(value, int) and not isinstance(value, bool)
    return sound and -LARGEST_ID - 1 <= value <= LARGEST_ID


def checked_name(image: Entry, note: Note) -> str:
    """The file name of an image; a harmless one if it leaves its folder."""
    name: str = file_name(image.get("file_name"), image.get("coco_url"))
    if is_safe(name):
        return name
    key = "coco_url" if image.get("file_name") is None else "file_name"
    expected = "a path inside of the image folder, its parts separated by one / each"
    note(found=f"{key}: {shown(image[key])}", expected=expected, fix="correct the name")
    return f"image {image['id']}"


def checked_ids(image: Entry, key: str, note: Note) -> list[int] | None:
    """A list of category ids of an image, None if it has none."""
    value = image.get(key)
    if value is None or (isinstance(value, list) and all(map(_is_int64, value))):
        return value
    note(found=f"{key}: {shown(value)}", expected=f"{key}: a list of ids", fix=_CORRECT)
    return []


def checked_box(annotation: Entry, note: Note) -> list[float]:
    """x, y, width, height and area of an annotation; zeros if they are no box."""
    box, area = annotation["bbox"], annotation["area"]
    numbers = [*box, area]
    if len(box) == 4 and all(map(is_finite, numbers)) and min(numbers[2:]) >= 0:
        return [float(number) for number in numbers]
    expected = "bbox: [x, y, width, height] and area, finite, no size below 0"
    found = f"bbox: {shown(box)}, area: {shown(area)}"
    note(found=found, expected=expected, fix="correct or remove the box")
    return [0.0] * 5


def checked_flag(annotation: Entry, key: str, note: Note) -> int:
    """``iscrowd`` or ``ignore`` of an annotation."""
    value = annotation.get(key, 0)
    if value in (0, 1):
        return int(value)
    note(found=f"{key}: {shown(value)}", expected=f"{key}: 0 or 1", fix=_CORRECT)
    return 0


def check_class_name(category: Entry, note: Note) -> None:
    """Notes a name that is none."""
    name = category["name"]
    if not (name.strip() and name.isprintable()):
        note(found=f"name: {shown(name)}", expected="name: a class name", fix=_CORRECT)
