"""Reading detections from any of their files, and checking them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import numpy as np

from gbss.errors import Faults
from gbss.evaluation.detection_columns import is_columns, read_columns, write_columns
from gbss.evaluation.detection_json import from_entries, read_json, write_json
from gbss.evaluation.detection_rows import Detection, Detections, Ints

__all__ = ["Detection", "Detections", "read_detections", "write_columns", "write_json"]


def read_detections(
    source: Path | Sequence[Any] | Detections,
    *,
    images: Collection[int] | Ints | None = None,
    categories: Collection[int] | Ints | None = None,
) -> Detections:
    """Reads detections and checks each of them.

    A box outside of its image and a row that stands there twice are not refused: they count as the
    official tools count them, which is as false alarms (`gbss.evaluation.oddities` names them).

    Args:
        source: A file of columns (`write_columns`), a JSON file with a list in COCO's result
            format, such a list, or detections that were read before. It is not changed.
        images: Ids of the images that may have detections; None: any.
        categories: Ids of the classes that may be detected; None: any.

    Returns:
        The detections in the order of the source.

    Raises:
        GbssError: The file is missing, truncated or something else, or any detection is wrong; all
            wrong ones are reported at once.
    """
    where = str(source) if isinstance(source, Path) else "detections"
    with Faults() as faults:
        detections = _gather(source, where, faults)
        _check_ids(detections, where, images, categories, faults)
    return detections


def _gather(source: Path | Sequence[Any] | Detections, where: str, faults: Faults) -> Detections:
    if isinstance(source, Detections):
        return source
    if not isinstance(source, Path):
        return from_entries(source, where, faults)
    if is_columns(source):
        return read_columns(source, faults)
    return read_json(source, faults)


def _check_ids(
    detections: Detections,
    where: str,
    images: Collection[int] | Ints | None,
    categories: Collection[int] | Ints | None,
    faults: Faults,
) -> None:
    """One fault for an id, not for a detection: a wrong file would repeat it thousands of times."""
    for image, count in _unknown(detections.image_ids, images):
        faults.add(
            f"{where}: image {image}",
            found=f"{count} detection(s) in an image that the annotation file does not have",
            expected="the images of the annotation file",
            fix="evaluate with the annotation file that the detections were made for",
        )
    known = [] if categories is None else sorted(map(int, categories))
    for category, count in _unknown(detections.category_ids, categories):
        faults.add(
            f"{where}: category {category}",
            found=f"{count} detection(s) of a category that is not evaluated",
            expected=f"category ids {shown(known)}",
            fix="map the labels of training to the category ids of the annotation file",
        )


def _unknown(ids: Ints, known: Collection[int] | Ints | None) -> Iterator[tuple[int, int]]:
    """The ids that are not known, ascending, and how often each is there."""
    if known is None:
        return
    listed = known if isinstance(known, np.ndarray) else np.array([*known], dtype=np.int64)
    values, counts = np.unique(ids[~np.isin(ids, listed)], return_counts=True)
    yield from zip(values.tolist(), counts.tolist(), strict=True)
