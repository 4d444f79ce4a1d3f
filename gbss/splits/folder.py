"""A folder of images without annotations, as a data set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from gbss.errors import fail
from gbss.progress import track
from gbss.splits.annotations import Annotations, shown_size
from gbss.splits.entries import is_safe

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Files that are taken for images, in small or capital letters."""

LARGE = 10_000
"""Images from which on progress is shown."""


def read_folder(folder: Path, say: Callable[[str], None]) -> Annotations:
    """Lists the images in a folder and all folders below it; only their headers are read.

    Names with a dot in front are passed over. Ids are 1, 2, ... in the order of the names.

    Args:
        folder: The folder.
        say: Takes a line on the images that were left out: unreadable ones, and those with a name
            that an annotation file cannot hold.

    Raises:
        GbssError: There is no such folder, or no readable image in it.
    """
    names = _image_names(folder)
    sizes, bad = [], {}
    for name in track(names, f"reading the sizes in {folder}", shown=len(names) > LARGE):
        try:
            sizes.append((name, *_size(folder / name)) if is_safe(name) else None)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            sizes.append(None)
            bad[name] = " ".join(str(error).replace(str(folder / name), "it").split())
        else:
            if sizes[-1] is None:
                bad[name] = "a name with control characters or backslashes"
    found = [size for size in sizes if size is not None]
    if bad:
        name, reason = next(iter(bad.items()))
        say(f"{folder}: left out {len(bad):,} unreadable images, the first is {name!r}: {reason}")
    if not found:
        raise fail(
            str(folder),
            found=f"{len(bad):,} files that look like images, none of them readable",
            expected=f"images ({', '.join(SUFFIXES)})",
            fix="name the folder of the unlabeled images",
        )
    return _as_annotations(folder, found)


def _image_names(folder: Path) -> list[str]:
    """Paths of what look like images, relative to the folder, in order."""
    if not folder.is_dir():
        raise fail(
            str(folder),
            found="a file" if folder.exists() else "no such folder",
            expected="a folder of images",
            fix="check the path",
        )
    names = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names += [
            (Path(where) / name).relative_to(folder).as_posix()
            for name in files
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    return sorted(names)


def _size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, as training sees the image."""
    with Image.open(path) as image:
        return shown_size(image)


def _as_annotations(folder: Path, images: list[tuple[str, int, int]]) -> Annotations:
    names, widths, heights = zip(*images, strict=True)
    lines = "".join(f"{width} {height} {name}\n" for name, width, height in images)
    numbers, flags = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_)
    return Annotations(
        path=folder,
        digest=hashlib.sha256(lines.encode()).hexdigest(),
        image_ids=np.arange(1, len(images) + 1),
        file_names=names,
        widths=np.array(widths, dtype=np.int64),
        heights=np.array(heights, dtype=np.int64),
        box_ids=numbers,
        box_images=numbers,
        box_classes=numbers,
        boxes=np.empty((0, 4)),
        areas=np.empty(0),
        crowd=flags,
        ignored=flags,
        usable=flags,
        category_ids=numbers,
        names=(),
    )
