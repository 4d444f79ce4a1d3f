"""Copies of images and annotations on a disk of the machine, if ``GBSS_STAGE`` names one."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gbss.errors import GbssError
from gbss.files import read_json, sha256, write_json
from gbss.locks import locked
from gbss.progress import track

STAGE = "GBSS_STAGE"
"""Environment variable: a folder on a local disk, itself with variables of the job if need be:
``$SLURM_TMPDIR``. Nothing is staged if it is not set."""

LIST = "staged.json"
"""Name and size of every file; written last."""

THREADS = 16
"""Files that are copied at the same time: a network file system answers slowly, but often."""

SPARE = 1.05
"""Free space that is asked for, as a multiple of the files' size."""


def staged(images: Path, annotations: Path) -> tuple[Path, Path]:
    """Copies what an annotation file names to the local disk, once for all jobs of the machine.

    A copy is looked through whenever it is used, and what is missing or has another size is copied
    again: by a job that was killed, or by what cleans local disks up. Nothing is removed, as other
    jobs may read it. Whatever goes wrong, training reads the originals.

    Args:
        images: Folder of the images.
        annotations: COCO-format file that names them.

    Returns:
        Where both are to be read from.
    """
    if not (asked := os.environ.get(STAGE)):
        return images, annotations
    stage = Path(os.path.expandvars(asked))
    if not stage.is_absolute():
        _tell(f"{STAGE} is {stage}, no full path of a local disk: nothing is staged")
        return images, annotations
    try:
        # Files of other content, or of another place, are another copy.
        key = hashlib.sha256(f"{images.resolve()} {sha256(annotations)}".encode()).hexdigest()
        folder = stage / f"gbss-{images.resolve().name}-{key[:16]}"
        with locked(folder.with_name(f"{folder.name}.lock"), "staging", patience=float("inf")):
            if not _is_complete(folder):
                _copy(images, annotations, folder)
    except (OSError, GbssError) as error:
        _tell(f"{images} is not staged to {stage}, but read from where it is: {error}")
        return images, annotations
    return folder / "images", folder / annotations.name


def _is_complete(folder: Path) -> bool:
    try:
        sizes = read_json(folder / LIST, what="list of staged files")["files"]
    except (GbssError, TypeError, KeyError):
        return False
    return all(_has_size(folder / name, size) for name, size in sizes.items())


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _copy(images: Path, annotations: Path, folder: Path) -> None:
    """Copies what is not there yet; each file at once, and the list last."""
    entries = read_json(annotations, what="annotation file")["images"]
    sources = {f"images/{image['file_name']}": images / image["file_name"] for image in entries}
    sources[annotations.name] = annotations
    with ThreadPoolExecutor(THREADS) as pool:
        sizes = dict(
            zip(sources, pool.map(lambda path: path.stat().st_size, sources.values()), strict=True)
        )
        left = [name for name, size in sizes.items() if not _has_size(folder / name, size)]
        needed = sum(sizes[name] for name in left) * SPARE
        free = shutil.disk_usage(folder.parent).free
        if needed > free:
            raise OSError(f"{needed / 2**30:.1f} GiB are needed, {free / 2**30:.1f} GiB are free")
        for parent in {(folder / name).parent for name in left}:
            parent.mkdir(parents=True, exist_ok=True)
        done = pool.map(lambda name: _copy_file(sources[name], folder / name), left)
        for _ in track(range(len(left)), f"staging {images} to {folder}"):
            next(done)
    write_json(folder / LIST, {"files": sizes})


def _copy_file(source: Path, target: Path) -> None:
    # Not `atomic_path`, which waits for the disk: what a crash leaves has another size.
    beside = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, beside)
    beside.replace(target)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
