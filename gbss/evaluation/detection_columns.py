"""Detections in a file of columns: a third of the JSON's size, read without being parsed.

The file is NumPy's ``.npz`` with no pickled objects in it, so that any NumPy can read it:

- ``format``: the text ``gbss detections``; ``version``: 1;
- ``image_ids``, ``category_ids``: (N,) int32, or int64 if one of them needs it;
- ``boxes``: (N, 4) x, y, width, height; ``scores``: (N,): float32 if that holds each of the numbers
  exactly, float64 otherwise, so that nothing is lost and no AP changes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults, fail
from gbss.evaluation.detection_json import REMAKE, checked, sound
from gbss.evaluation.detection_rows import Detections
from gbss.files import atomic_path

FORMAT, VERSION = "gbss detections", 1
WHAT = f"file of detections in columns, version {VERSION}"

_ZIP = b"PK"
COLUMNS = {"image_ids": ("i", ()), "category_ids": ("i", ()), "boxes": ("f", (4,))}
COLUMNS |= {"scores": ("f", ())}
"""Column → kind of its numbers, and the shape of a row."""


def is_columns(path: Path) -> bool:
    """Whether a file is no JSON but one of columns; False for one that cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(_ZIP)) == _ZIP
    except OSError:
        return False


def write_columns(path: Path, detections: Detections) -> None:
    """Writes detections in one step; the same ones always give the same bytes."""
    columns: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT),
        "version": np.array(VERSION),
        "image_ids": _narrow(detections.image_ids, np.int32),
        "category_ids": _narrow(detections.category_ids, np.int32),
        "boxes": _narrow(detections.boxes, np.float32),
        "scores": _narrow(detections.scores, np.float32),
    }
    with atomic_path(path) as beside, beside.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **columns)


def read_columns(path: Path, faults: Faults) -> Detections:
    """Reads a file that `write_columns` wrote; what is wrong with single rows is noted.

    Raises:
        GbssError: The file is truncated, of another kind or of a newer version.
    """
    found = _arrays(path)
    if (kind := str(found.get("format"))) != FORMAT or "version" not in found:
        raise fail(str(path), found=f"the format {kind!r}", expected=f"a {WHAT}", fix=REMAKE)
    if (version := found["version"].tolist()) != VERSION:
        fix = "update gbss, or write the detections again"
        raise fail(str(path), found=f"version {version}", expected=f"a {WHAT}", fix=fix)
    with Faults() as shapes:
        check_shapes(path, found, COLUMNS, shapes, fix=REMAKE)
    detections = Detections(
        image_ids=found["image_ids"].astype(np.int64, copy=False),
        category_ids=found["category_ids"].astype(np.int64, copy=False),
        boxes=found["boxes"].astype(np.float64, copy=False),
        scores=found["scores"].astype(np.float64, copy=False),
    )
    for row in np.flatnonzero(~sound(detections.boxes, detections.scores)).tolist():
        entry = {
            "image_id": int(detections.image_ids[row]),
            "category_id": int(detections.category_ids[row]),
            "bbox": detections.boxes[row].tolist(),
            "score": float(detections.scores[row]),
        }
        checked(entry, f"{path}: entry {row}", faults)
    return detections


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return dict(archive.items())
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise fail(
            str(path), found=f"{error} (truncated or damaged)", expected=f"a {WHAT}", fix=REMAKE
        ) from error


def check_shapes(
    path: Path,
    found: Mapping[str, NDArray[Any]],
    columns: Mapping[str, tuple[str, tuple[int, ...]]],
    faults: Faults,
    *,
    fix: str,
) -> None:
    """Notes columns that are missing, of another kind or shape, or not as long as the others.

    Args:
        path: The file, for the messages.
        found: What it holds.
        columns: Column → kind of its numbers (``i`` or ``f``), and the shape of a row.
        faults: Where to note.
        fix: What to do about it.
    """
    lengths = set()
    for name, (kind, shape) in columns.items():
        values = found.get(name)
        good = values is not None and values.dtype.kind == kind and values.ndim > 0
        if values is None or not good or values.shape[1:] != shape:
            text = "no such column"
            if values is not None:
                text = f"numbers of type {values.dtype} in the shape {values.shape}"
            wanted = "integers" if kind == "i" else "floating-point numbers"
            rows = ", ".join(map(str, ("rows", *shape)))
            faults.add(f"{path}: {name}", found=text, expected=f"{wanted}, ({rows})", fix=fix)
        else:
            lengths.add(len(values))
    if len(lengths) > 1:
        text = f"columns of {', '.join(map(str, sorted(lengths)))} rows"
        faults.add(str(path), found=text, expected="columns of one length", fix=fix)


def _narrow(values: NDArray[Any], kind: type[np.int32 | np.float32]) -> NDArray[Any]:
    """The column with half the bytes, if it is the same then."""
    with np.errstate(over="ignore"):
        narrow = values.astype(kind)
    return narrow if np.array_equal(narrow, values) else values
