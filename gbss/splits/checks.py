"""Checks what a COCO-format annotation file holds, and reports everything wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from gbss.errors import Faults, fail, nearest
from gbss.schema import is_finite

Entry = Mapping[str, Any]
Entries = list[tuple[str, Entry]]
"""Entries of a part of the file, each with where it stands."""

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


def check_content(
    path: Path, content: Any, classes: Sequence[str] | None
) -> dict[str, list[Entry]]:
    """Checks an annotation file that was read.

    Args:
        path: The file, for the messages.
        content: What it holds.
        classes: The class names that it must hold, by ascending category id. None: any classes.

    Returns:
        The entries of each part, without the two flat boxes of COCO.

    Raises:
        GbssError: Everything that is wrong with the file.
    """
    if not isinstance(content, dict):
        expected = f"an object with {', '.join(KEYS)}"
        raise fail(str(path), found=f"a {type(content).__name__}", expected=expected, fix=NOT_COCO)
    with Faults() as faults:
        parts = {part: _entries(path, content, part, faults) for part in KEYS}
        for part, entries in parts.items():
            _check_unique(path, part, entries, faults)
        parts["annotations"] = _boxes(parts["annotations"], faults)
        _check_references(path, content, parts["annotations"], faults)
        # The names of unsound entries would be missed in vain.
        kinds = parts["categories"]
        sound = bool(kinds) and len(kinds) == len(content["categories"])
        if classes is not None and (sound or not len(faults)):
            _check_classes(path, kinds, classes, faults)
    return {part: [entry for _, entry in entries] for part, entries in parts.items()}


def _entries(path: Path, content: Entry, part: str, faults: Faults) -> Entries:
    """The sound entries of one part of the file."""
    entries = content.get(part)
    if not isinstance(entries, list):
        found = f"{part!r} is a {type(entries).__name__}" if part in content else f"no {part!r}"
        faults.add(str(path), found=found, expected=f"a list {part!r}", fix=NOT_COCO)
        return []
    return list(_sound(path, part, entries, faults))


def _sound(
    path: Path, part: str, entries: list[Any], faults: Faults
) -> Iterator[tuple[str, Entry]]:
    keys = KEYS[part]
    for number, entry in enumerate(entries):
        where = f"{path}: {part}[{number}]"
        if not isinstance(entry, dict):
            fix = "correct the entry"
            faults.add(where, found=shown(entry), expected=f"{', '.join(keys)}", fix=fix)
            continue
        where += f" (id {shown(entry['id'])})" if "id" in entry else " (without id)"
        before = len(faults)
        for key, kind in keys.items():
            expected = _misfit(key, kind, entry.get(key))
            if expected is not None:
                found = f"{key}: {shown(entry[key])}" if key in entry else f"no {key!r}"
                fix = "correct the entry"
                faults.add(where, found=found, expected=f"{key}: {expected}", fix=fix)
        if len(faults) == before:
            yield where, entry


def _misfit(key: str, kind: type | tuple[type, ...], value: Any) -> str | None:
    """What is expected instead of a value; None if it is sound."""
    if not isinstance(value, kind) or isinstance(value, bool):
        return kind.__name__ if isinstance(kind, type) else "number"
    if kind is int and isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            return "int of at most 64 bits"
        if key in ("width", "height") and value < 1:
            return "at least 1"
    return None


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


def _boxes(annotations: Entries, faults: Faults) -> Entries:
    """The annotations to keep; notes every bad box."""
    kept = []
    for where, entry in annotations:
        box, area = entry["bbox"], entry["area"]
        finite = len(box) == 4 and all(map(is_finite, [*box, area]))
        if finite and box[3] == 0 and entry["image_id"] in KNOWN_FLAT:
            continue
        if not (finite and box[2] > 0 and box[3] > 0 and area >= 0):
            expected = "bbox: [x, y, width, height] and area, finite, width and height above 0"
            found = f"bbox: {shown(box)}, area: {shown(area)}"
            faults.add(where, found=found, expected=expected, fix="correct or remove the box")
        if entry.get("iscrowd", 0) not in (0, 1):
            found = f"iscrowd: {shown(entry['iscrowd'])}"
            faults.add(where, found=found, expected="iscrowd: 0 or 1", fix="correct the entry")
        kept.append((where, entry))
    return kept


def _check_references(path: Path, content: Entry, annotations: Entries, faults: Faults) -> None:
    """Notes every id that annotations name and nothing has, once each.

    What has a fault of its own is there all the same, and a part that is missing as a whole has
    been reported: no annotation is to blame for either.
    """
    for part, key in (("images", "image_id"), ("categories", "category_id")):
        entries = content.get(part)
        if not isinstance(entries, list):
            continue
        ids = [entry.get("id") for entry in entries if isinstance(entry, dict)]
        known = {id_ for id_ in ids if isinstance(id_, int)}
        unknown: dict[int, list[int]] = {}
        for _, entry in annotations:
            if entry[key] not in known:
                unknown.setdefault(entry[key], []).append(entry["id"])
        for id_, users in sorted(unknown.items()):
            faults.add(
                f"{path}: annotations (id {users[0]}"
                + (f" and {len(users) - 1} more)" if len(users) > 1 else ")"),
                found=f"{key}: {id_}",
                expected=f"an id listed in {part!r}",
                fix=f"add the entry to {part!r} or remove its annotations",
            )


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
