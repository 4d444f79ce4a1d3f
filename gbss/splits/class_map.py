"""Annotations in another label space, and two data sets as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults, fail, nearest
from gbss.splits.annotations import Annotations, Ints

Mask = NDArray[np.bool_]

_IMAGE_COLUMNS = ("image_ids", "widths", "heights")
_BOX_COLUMNS = ("box_ids", "box_classes", "boxes", "areas", "crowd", "ignored", "usable")


@dataclass(frozen=True)
class Mapped:
    """A data set in another label space.

    Attributes:
        annotations: Its images that still have a box, with the boxes of classes that have a place.
        dropped: Class without a place there → number of its boxes.
        emptied: Number of images that were left without a box, crowds apart.
    """

    annotations: Annotations
    dropped: Mapping[str, int]
    emptied: int


def map_classes(
    source: Annotations, to: Mapping[str, str | None], names: Sequence[str], category_ids: Ints
) -> Mapped:
    """Maps annotations to another label space.

    Args:
        source: The annotations.
        to: Each of their classes → its class there; None: it has none. Several may share one.
        names: The classes there, by ascending category id.
        category_ids: Their category ids.

    Raises:
        GbssError: Every class that the map lacks, or that is unknown on one of its sides.
    """
    _check_map(source, to, names)
    place = {name: number for number, name in enumerate(names)} | {None: -1}
    table = np.array([place[to[name]] for name in source.names], dtype=np.int64)
    box_classes = table[source.box_classes]
    lost = np.bincount(source.box_classes[box_classes < 0], minlength=len(source.names))
    kept = (box_classes >= 0) & source.counted
    images = np.isin(np.arange(len(source.image_ids)), source.box_images[kept])
    relabeled = replace(
        source,
        box_classes=box_classes,
        category_ids=category_ids,
        names=tuple(names),
        frequencies=None,
        negatives=None,
        not_exhaustive=None,
    )
    return Mapped(
        annotations=select(relabeled, images, box_classes >= 0),
        dropped={
            name: int(lost[number])
            for number, name in enumerate(source.names)
            if to[name] is None
        },
        emptied=int((~images).sum()),
    )


def select(annotations: Annotations, images: Mask, boxes: Mask | None = None) -> Annotations:
    """Some of the images, (N,), with some of their boxes, (M,); None: all of their boxes."""
    inside = images[annotations.box_images]
    chosen = inside if boxes is None else inside & boxes
    places = np.cumsum(images) - 1
    columns: dict[str, Any] = {name: getattr(annotations, name)[images] for name in _IMAGE_COLUMNS}
    columns |= {name: getattr(annotations, name)[chosen] for name in _BOX_COLUMNS}
    names = annotations.file_names
    return replace(
        annotations,
        **columns,
        file_names=tuple(names[number] for number in np.flatnonzero(images)),
        box_images=places[annotations.box_images[chosen]],
        **_lists(annotations, images),
    )


def join(target: Annotations, mapped: Annotations, folders: tuple[str, str]) -> Annotations:
    """A data set and one that was mapped to its classes, as one.

    The ids of the first stay as they are. To those of the second a power of ten is added, the
    smallest that is above all ids of the first: image 139 of COCO becomes 10000139 beside the two
    million images of Objects365. File names start with the folder of their data set, so that both
    are found below a common root.

    Args:
        target: The first data set.
        mapped: The second, in the label space of the first.
        folders: The folders of their images, relative to the common root.

    Raises:
        GbssError: The ids of the two together do not fit into 64 bits.
    """
    if target.names != mapped.names or target.negatives is not None:
        raise ValueError("only data sets of one label space can be joined, and no federated ones")
    parts = target, mapped
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (*_IMAGE_COLUMNS, *_BOX_COLUMNS)
    }
    for name in ("image_ids", "box_ids"):
        own, other = (getattr(part, name) for part in parts)
        columns[name] = np.concatenate([own, other + _shift(own, other, mapped)])
    images = len(target.image_ids), len(mapped.image_ids)
    return replace(
        target,
        **columns,
        file_names=tuple(
            f"{folder}/{name}" if folder else name
            for folder, part in zip(folders, parts, strict=True)
            for name in part.file_names
        ),
        box_images=np.concatenate([target.box_images, mapped.box_images + images[0]]),
        mapped=np.repeat([False, True], images),
        further=(*target.further, (mapped.path, mapped.digest), *mapped.further),
    )


def _shift(own: Ints, other: Ints, mapped: Annotations) -> int:
    """What is added to ids so that all of them come after others."""
    highest = int(own.max(initial=0)) - min(0, int(other.min(initial=0)))
    shift: int = 10 ** len(str(highest))
    if shift + int(other.max(initial=0)) >= 2**63:
        raise fail(
            str(mapped.path),
            found=f"ids up to {int(other.max(initial=0))}, beside others up to {highest}",
            expected="ids that fit into 64 bits when they are set apart",
            fix="number images and annotations of the two files anew",
        )
    return shift


def _lists(annotations: Annotations, images: Mask) -> dict[str, Any]:
    """What not every file has, of some images."""
    chosen: dict[str, Any] = {}
    for name in ("mapped", "pool"):
        flags = getattr(annotations, name)
        chosen[name] = None if flags is None else flags[images]
    for name in ("negatives", "not_exhaustive"):
        pair = getattr(annotations, name)
        if pair is not None:
            offsets, values = pair
            sizes = np.diff(offsets)
            pair = np.concatenate([[0], np.cumsum(sizes[images])]), values[np.repeat(images, sizes)]
        chosen[name] = pair
    return chosen


def _check_map(
    source: Annotations, to: Mapping[str, str | None], names: Sequence[str]
) -> None:
    with Faults() as faults:
        for name in source.names:
            if name not in to:
                where = f"{source.path}: class {name!r}"
                fix = "add it to the class map"
                expected = "a class of the map"
                faults.add(where, found="no entry in the class map", expected=expected, fix=fix)
        for name, other in to.items():
            where, fix = f"class map: {name!r}", "correct the class map"
            if name not in source.names:
                found, expected = f"no such class in {source.path}", nearest(name, source.names)
                faults.add(where, found=found, expected=expected, fix=fix)
            if other is not None and other not in names:
                faults.add(where, found=repr(other), expected=nearest(other, names), fix=fix)
