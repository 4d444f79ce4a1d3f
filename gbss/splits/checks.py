"""Checks what the parts of a COCO-format file say of each other, and reports all that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults, nearest
from gbss.splits.columns import ABSENT, Boxes, Categories, Images
from gbss.splits.entries import FEDERATED
from gbss.splits.part import Numbers, Part, column
from gbss.splits.parts import Parts

OTHER_CLASSES = "give the annotation file that belongs to the task"
FREQUENCIES = frozenset("rcf")
"""LVIS's groups of classes: rare, common, frequent."""

Ints = NDArray[np.int64]


def check_parts(parts: Parts, classes: Sequence[str] | None) -> None:
    """Raises everything that is wrong with a file that was read.

    Args:
        parts: Its lists, with the faults of single entries.
        classes: The class names that it must hold, by ascending category id. None: any classes.

    Raises:
        GbssError: All faults, those of single entries first.
    """
    with Faults() as faults:
        faults.join(parts.faults)
        for part in parts:
            faults.join(part.faults)
        for part in parts:
            _check_ids(part, faults)
        _check_texts(parts.categories, "name", parts.categories.names, faults)
        _check_texts(parts.images, "file_name", parts.images.file_names, faults)
        for named, key, ids in (
            (parts.images, "image_id", parts.boxes.image_ids),
            (parts.categories, "category_id", parts.boxes.category_ids),
        ):
            if named.name in parts.there:
                _check_references(parts.boxes, key, ids, named, faults)
        for key in FEDERATED:
            _check_lists(parts.images, key, parts.categories, faults)
        _check_frequencies(parts.categories, faults)
        # The names of unsound entries would be missed in vain.
        sound = len(parts.categories.ids) and not len(parts.categories.faults)
        if classes is not None and (sound or not len(faults)):
            _check_classes(parts.categories, classes, faults)


def _check_ids(part: Part, faults: Faults) -> None:
    """Notes every id that an earlier entry has, too."""
    ids = column(part.ids)
    if (ids[1:] > ids[:-1]).all():
        return
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    first = order[np.searchsorted(ordered, ordered[again])]
    for row, earlier in sorted(zip(order[again].tolist(), first.tolist(), strict=True)):
        _add_repeated(part, "id", part.ids[row], row, earlier, faults)


def _check_texts(part: Part, key: str, texts: list[str], faults: Faults) -> None:
    """Notes every name that an earlier entry has, too."""
    if len(set(texts)) == len(texts):
        return
    seen: dict[str, int] = {}
    for row, text in enumerate(texts):
        if seen.setdefault(text, row) != row:
            _add_repeated(part, key, text, row, seen[text], faults)


def _add_repeated(
    part: Part, key: str, value: object, row: int, earlier: int, faults: Faults
) -> None:
    found = f"{key} {value!r}, as in {part.place(earlier).removeprefix(f'{part.path}: ')}"
    fix = f"remove one of them, or correct its {key}"
    faults.add(part.place(row), found=found, expected=f"each {key} once", fix=fix)


def _check_references(
    boxes: Boxes, key: str, named: Numbers, part: Part, faults: Faults
) -> None:
    """Notes every id that annotations name and nothing has, once each."""
    users = np.flatnonzero(~np.isin(column(named), _known(part)))
    unknown, first, counts = np.unique(
        column(named)[users], return_index=True, return_counts=True
    )
    for id_, row, count in zip(unknown.tolist(), users[first], counts.tolist(), strict=True):
        more = f" and {count - 1:,} more" if count > 1 else ""
        faults.add(
            f"{boxes.path}: annotations (id {boxes.ids[row]}{more})",
            found=f"{key}: {id_}",
            expected=f"an id listed in {part.name!r}",
            fix=f"add the entry to {part.name!r} or remove its annotations",
        )


def _known(part: Part) -> Ints:
    """All ids that a part has, those of its unsound entries included."""
    other = [id_ for id_ in part.other_ids if -(2**63) <= id_ < 2**63]
    return np.concatenate([column(part.ids), np.array(other, dtype=np.int64)])


def _check_lists(images: Images, key: str, categories: Categories, faults: Faults) -> None:
    """Notes images without a list that others have, and lists that name no class."""
    lengths = column(images.lengths[key])
    if (lengths == ABSENT).all():
        return
    for row in np.flatnonzero(lengths == ABSENT).tolist():
        expected, fix = f"{key}: a list of ids, as in other images", "correct the entry"
        faults.add(images.place(row), found=f"no {key!r}", expected=expected, fix=fix)
    ids = column(images.values[key])
    ends = np.cumsum(np.maximum(lengths, 0))
    for at in np.flatnonzero(~np.isin(ids, _known(categories))).tolist():
        row = int(np.searchsorted(ends, at, side="right"))
        expected, fix = "ids listed in 'categories'", "correct the list"
        faults.add(images.place(row), found=f"{key}: {ids[at]}", expected=expected, fix=fix)


def _check_frequencies(categories: Categories, faults: Faults) -> None:
    """Notes classes that are not r, c or f in a file where some are."""
    given: list[Any] = categories.frequencies
    if not any(isinstance(value, str) and value in FREQUENCIES for value in given):
        return
    for row, value in enumerate(given):
        if not isinstance(value, str) or value not in FREQUENCIES:
            found, expected = f"frequency: {value!r}", "frequency: 'r', 'c' or 'f', as in others"
            faults.add(categories.place(row), found=found, expected=expected, fix="correct it")


def _check_classes(categories: Categories, classes: Sequence[str], faults: Faults) -> None:
    """The classes of the task: detectors would silently train without a misspelt one."""
    found = [name for _, name in sorted(zip(categories.ids, categories.names, strict=True))]
    where = f"{categories.path}: categories"
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
