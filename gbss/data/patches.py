"""Data that need a login: which files are missing, and what to do about it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from gbss.data.sources import Patches
from gbss.errors import Fault
from gbss.progress import meter

CHUNK = 1 << 24
LONGEST = 4096
"""No name with its key is longer than this, in bytes."""
FILE_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')
SHOWN = 5
TAIL = 64


def check_patches(source: Patches, root: Path) -> tuple[list[str], list[Fault]]:
    """Holds the folders of images against the annotation file that lists them.

    Args:
        source: What to look for.
        root: The data root.

    Returns:
        Paths of missing and empty images, and what to tell about them and about missing folders.
    """
    faults, bad = list[Fault](), list[str]()
    annotations, images = root / source.annotations, root / source.images
    login = f"log in at {source.page}, fetch"
    if not ends_well(annotations):
        found = "a file that is cut off or not JSON" if annotations.exists() else "no such file"
        fix = f"{login} {annotations.name} of {source.title} and put it there (docs/data.md)"
        expected = f"the annotations of {source.title}"
        faults.append(Fault(str(annotations), found=found, expected=expected, fix=fix))
        listed: Mapping[str, set[str]] = {f"patch{number}": set() for number in range(source.count)}
    else:
        listed = _listed(annotations, source)
    order = sorted(listed, key=lambda name: (len(name), name))
    if gone := [name for name in order if not (images / name).is_dir()]:
        bad += [f"{images / name}/{each}" for name in gone for each in sorted(listed[name])]
        fault = Fault(
            str(images),
            found=f"{len(gone)} of {len(order)} folders missing: {', '.join(gone)}",
            expected="these folders, with their images",
            fix=f"{login} their archives ({gone[0]}.tar.gz, ...) of {source.title} and unpack them "
            f"in {images}; or make it a link to where they are",
        )
        faults.append(fault)
    for name in [name for name in order if name not in gone]:
        if missing := _missing(images / name, listed[name]):
            bad += [f"{images / name}/{each}" for each in missing]
            faults.append(_incomplete(images / name, missing, len(listed[name]), source))
    return bad, faults


def ends_well(path: Path) -> bool:
    """Whether a file ends as a JSON object does: what a cut-off copy of one does not."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL))
        return stream.read().rstrip().endswith(b"}")


def _missing(folder: Path, names: Collection[str]) -> list[str]:
    """Which of the images are not in the folder, or empty there."""
    with os.scandir(folder) as entries:
        here = {entry.name for entry in entries if entry.stat().st_size > 0}
    return sorted(set(names) - here)


def _incomplete(folder: Path, missing: list[str], count: int, source: Patches) -> Fault:
    more = f" and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else ""
    return Fault(
        str(folder),
        found=f"{len(missing):,} of {count:,} images missing or empty: "
        f"{', '.join(missing[:SHOWN])}{more}",
        expected="all images that the annotation file lists",
        fix=f"unpack {folder.name}.tar.gz of {source.title} again",
    )


def _listed(annotations: Path, source: Patches) -> dict[str, set[str]]:
    """Patch folder → images that the annotation file lists in it, without those never released."""
    found: dict[str, set[str]] = {}
    for name in _file_names(annotations):
        path = PurePosixPath(name)
        if f"{path.parent.name}/{path.name}" not in source.absent:
            found.setdefault(path.parent.name, set()).add(path.name)
    return found


def _file_names(annotations: Path) -> Iterator[str]:
    """The images of an annotation file of any size, without reading all of it at once."""
    total, rest = annotations.stat().st_size, b""
    with annotations.open("rb") as stream, meter(total, f"reading {annotations.name}") as advance:
        while chunk := stream.read(CHUNK):
            text, end = rest + chunk, 0
            for match in FILE_NAME.finditer(text):
                end = match.end()
                yield json.loads(match[1])
            rest = text[max(end, len(text) - LONGEST) :]
            advance(len(chunk))
