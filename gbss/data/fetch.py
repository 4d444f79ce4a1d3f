"""Bringing a data root to the state that a task needs: what is there is left alone."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gbss.data.archives import image_count, unpack
from gbss.data.download import check_own, download
from gbss.data.patches import check_patches, ends_well
from gbss.data.sources import Archive, Part, Patches, Source
from gbss.errors import Fault, Faults, GbssError
from gbss.files import write_text

WORK = ".fetch"
"""Folder under the data root with what is not whole yet."""


def fetch(sources: Sequence[Source], root: Path, *, report: Path, pause: float = 2.0) -> None:
    """Fetches what is missing of a task's data and checks what was there.

    Args:
        sources: The data of the task.
        root: Its data root, made if missing. What lies there already is used as it is.
        report: Where to list the images that are missing of data that cannot be fetched.
        pause: See `download`.

    Raises:
        GbssError: Something is there but not whole, could not be fetched, or needs a login.
    """
    archives = [source for source in sources if isinstance(source, Archive)]
    with Faults() as faults:
        for part in [part for archive in archives for part in archive.parts]:
            _check_part(faults, root / part.path, part)
    for archive in archives:
        if _absent(archive, root):
            with _locked(root):
                # Another process may have fetched it while this one waited.
                if parts := _absent(archive, root):
                    _fetch(archive, parts, root, pause)
        # Left by a process that was killed after the last part was in place.
        (root / WORK / archive.name).unlink(missing_ok=True)
    _check_patches([source for source in sources if isinstance(source, Patches)], root, report)


def _absent(archive: Archive, root: Path) -> list[Part]:
    return [part for part in archive.parts if not (root / part.path).exists()]


def _check_part(faults: Faults, path: Path, part: Part) -> None:
    """Whatever is fetched is in place only when whole; so what is not whole was there before."""
    fix = f"complete it, or move {path} away to have it fetched"
    if path.is_symlink() and not path.exists():
        expected = "a link to something, or no such link"
        faults.add(str(path), found=f"a link to {path.readlink()}", expected=expected, fix=fix)
    elif path.exists() and part.images:
        expected = f"a folder with {part.images:,} images"
        if not path.is_dir():
            faults.add(str(path), found="no folder", expected=expected, fix=fix)
        elif (count := image_count(path)) < part.images:
            faults.add(str(path), found=f"{count:,} images", expected=expected, fix=fix)
    elif path.exists() and not ends_well(path):
        found, expected = "a file that is cut off or not JSON", "a whole annotation file"
        faults.add(str(path), found=found, expected=expected, fix=fix)


def _fetch(archive: Archive, parts: Sequence[Part], root: Path, pause: float) -> None:
    """Downloads an archive, unpacks it, removes it; one in the data root is used and kept."""
    own = root / archive.name
    if own.is_file():
        check_own(archive, own)
        unpack(own, parts, root, limit=archive.unpacked)
        return
    path = root / WORK / archive.name
    if not path.exists():
        download(archive, path, pause=pause)
    unpack(path, parts, root, limit=archive.unpacked)
    path.unlink(missing_ok=True)


def _check_patches(sources: Sequence[Patches], root: Path, report: Path) -> None:
    results = [check_patches(source, root) for source in sources]
    faults = [fault for _, some in results for fault in some]
    report.unlink(missing_ok=True)
    if bad := [path for paths, _ in results for path in paths]:
        write_text(report, "".join(f"{path}\n" for path in bad))
        total = Fault(
            str(report),
            found=f"{len(bad):,} missing or empty images in all, listed in this file",
            expected="all images of the annotation files",
            fix="see below; then run the same command again",
        )
        faults.insert(0, total)
    if faults:
        raise GbssError(*faults)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """One process at a time fetches into a root; the lock ends with the process."""
    (root / WORK).mkdir(parents=True, exist_ok=True)
    with (root / WORK / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{root}: waiting for another process that fetches", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
