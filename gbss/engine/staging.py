"""Copies of images and annotations on a disk of the machine, if ``GBSS_STAGE`` names one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gbss.errors import GbssError
from gbss.files import read_json, sha256, write_json
from gbss.locks import locked
from gbss.progress import track

STAGE = "GBSS_STAGE"
"""Environment variable: a folder on a local disk. Nothing is staged if it is not set."""

LIST = "staged.json"
"""Name and size of every file; written last."""

THREADS = 16
"""Files that are copied at the same time: a network file system answers slowly, but often."""

SPARE = 1.05
"""Free space that is asked for, as a multiple of the files' size."""


def staged(images: Path, annotations: Path) -> tuple[Path, Path]:
    """Copies what an annotation file names to the local disk, once for all jobs of the machine.

    A copy is complete or not there. It is looked through whenever it is used, and made again if a
    file is missing or has another size. Whatever goes wrong, training reads the originals.

    Args:
        images: Folder of the images.
        annotations: COCO-format file that names them.

    Returns:
        Where both are to be read from.
    """
    if not (stage := os.environ.get(STAGE)):
        return images, annotations
    try:
        # Files of other content, or of another place, are another copy.
        folder = Path(stage) / f"gbss-{images.resolve().name}-{sha256(annotations)[:16]}"
        with locked(folder.with_name(f"{folder.name}.lock"), "staging", patience=float("inf")):
            if not _is_complete(folder, images):
                _copy(images, annotations, folder)
    except (OSError, GbssError) as error:
        _tell(f"{images} is not staged to {stage}, but read from where it is: {error}")
        return images, annotations
    return folder / "images", folder / annotations.name


def _is_complete(folder: Path, images: Path) -> bool:
    if not (folder / LIST).is_file():
        return False
    content = read_json(folder / LIST, what="list of staged files")
    if content["source"] == str(images.resolve()) and all(
        (path := folder / name).is_file() and path.stat().st_size == size
        for name, size in content["files"].items()
    ):
        return True
    _tell(f"{folder} is damaged or of another place: it is made again")
    shutil.rmtree(folder)
    return False


def _copy(images: Path, annotations: Path, folder: Path) -> None:
    entries = read_json(annotations, what="annotation file")["images"]
    sources = {f"images/{image['file_name']}": images / image["file_name"] for image in entries}
    sources[annotations.name] = annotations
    with ThreadPoolExecutor(THREADS) as pool:
        sizes = dict(
            zip(sources, pool.map(lambda path: path.stat().st_size, sources.values()), strict=True)
        )
        needed, free = sum(sizes.values()) * SPARE, shutil.disk_usage(folder.parent).free
        if needed > free:
            raise OSError(f"{needed / 2**30:.1f} GiB are needed, {free / 2**30:.1f} GiB are free")
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for parent in {(beside / name).parent for name in sources}:
                parent.mkdir(parents=True, exist_ok=True)
            pairs = [(path, beside / name) for name, path in sources.items()]
            done = pool.map(lambda pair: shutil.copyfile(*pair), pairs)
            for _ in track(range(len(pairs)), f"staging {images} to {folder}"):
                next(done)
            write_json(beside / LIST, {"source": str(images.resolve()), "files": sizes})
            beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
