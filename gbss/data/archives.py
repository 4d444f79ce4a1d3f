"""Unpacking a zip archive: nothing leaves its folder, nothing is in place before it is whole."""

from __future__ import annotations

import os
import re
import shutil
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from gbss.data.sources import Part
from gbss.errors import Faults, fail
from gbss.progress import meter

CHUNK = 1 << 20
ENCRYPTED = 0x1
IMAGES = (".jpg", ".jpeg", ".png")
AGAIN = "remove the archive and fetch it again"
Entry = tuple[ZipInfo, str]


def unpack(path: Path, parts: Sequence[Part], root: Path, *, limit: int) -> None:
    """Unpacks parts of a zip archive; each is unpacked beside its place and then renamed.

    Args:
        path: The archive. Everything in it is checked, also what is not unpacked.
        parts: What to unpack; none of them may be there yet.
        root: The folder that the parts' paths are relative to.
        limit: How many bytes they may take.

    Raises:
        GbssError: The archive is damaged or encrypted, claims more than ``limit``, has a member
            that is no plain file below its folder, or lacks something. Nothing is in place then.
    """
    with ExitStack() as stack:
        archive = _opened(path)
        stack.callback(archive.close)
        members = _checked(archive, path)
        chosen = {part: _members(members, part) for part in parts}
        total = sum(info.file_size for entries in chosen.values() for info, _ in entries)
        _check_room(path, root, total, limit)
        stages = {part: stack.enter_context(_stage(root / part.path)) for part in parts}
        with meter(total, f"unpacking {path.name}") as advance:
            for part, entries in chosen.items():
                for info, relative in entries:
                    target = stages[part] / relative if relative else stages[part]
                    for size in _extract(archive, path, info, target):
                        advance(size)
        for part, stage in stages.items():
            _check_part(path, part, stage)
        for part, stage in stages.items():
            stage.rename(root / part.path)


def image_count(folder: Path) -> int:
    """How many image files lie in a folder, by their endings."""
    with os.scandir(folder) as entries:
        return sum(entry.name.lower().endswith(IMAGES) for entry in entries)


def _opened(path: Path) -> ZipFile:
    try:
        return ZipFile(path)
    except BadZipFile as error:
        expected = "a zip archive"
        raise fail(str(path), found=str(error), expected=expected, fix=AGAIN) from error


def _checked(archive: ZipFile, path: Path) -> dict[str, ZipInfo]:
    """Member name → entry of all files, after a look at every entry."""
    files: dict[str, ZipInfo] = {}
    with Faults() as faults:
        for info in archive.infolist():
            if found := _fault(info):
                _refuse(faults, path, info.orig_filename, found)
            elif not info.is_dir():
                if info.filename in files:
                    _refuse(faults, path, info.filename, "the same name twice")
                files[info.filename] = info
        for name in files:
            for folder in PurePosixPath(name).parents:
                if str(folder) in files:
                    _refuse(faults, path, name, f"{str(folder)!r}, its folder, is a file as well")
    return files


def _refuse(faults: Faults, path: Path, name: str, found: str) -> None:
    expected = "plain files, each once, with names below their folder"
    fix = "do not unpack this archive by other means either; fetch it from its publisher"
    faults.add(f"{path}: {name!r}", found=found, expected=expected, fix=fix)


def _fault(info: ZipInfo) -> str | None:
    """What is wrong with an entry; None: nothing."""
    name, mode = info.orig_filename, info.external_attr >> 16
    if name.startswith("/"):
        return "an absolute path"
    if re.match("[A-Za-z]:", name):
        return "a drive letter"
    if "\\" in name:
        return "a backslash in a name"
    if any(ord(character) < 32 for character in name):
        return "a control character in a name"
    if {"", ".", ".."} & set(name.removesuffix("/").split("/")):
        return "a name that leaves its folder or has an empty part"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link, device or pipe"
    if info.flag_bits & ENCRYPTED:
        return "an encrypted member"
    return None


def _members(files: dict[str, ZipInfo], part: Part) -> list[Entry]:
    """The entries of a part, and where each belongs in it ("" for a part that is a file)."""
    if not part.images:
        return [(files[part.member], "")] if part.member in files else []
    return [
        (info, name.removeprefix(part.member))
        for name, info in files.items()
        if name.startswith(part.member)
    ]


def _check_room(path: Path, root: Path, total: int, limit: int) -> None:
    if total > limit:
        raise fail(
            str(path),
            found=f"an archive that says it unpacks to {total:,} bytes",
            expected=f"at most {limit:,} bytes",
            fix="do not unpack it (a zip bomb?); fetch it from its publisher",
        )
    free = shutil.disk_usage(root).free
    if free < total:
        raise fail(
            str(root),
            found=f"{free:,} bytes free",
            expected=f"{total:,} bytes for what {path.name} holds",
            fix="free some space and run the same command; the archive is kept",
        )


@contextmanager
def _stage(target: Path) -> Iterator[Path]:
    """A path beside ``target``; what an earlier attempt or this block leaves there is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    stage = target.with_name(f".{target.name}.unpacking")
    _remove(stage)
    try:
        yield stage
    finally:
        _remove(stage)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _extract(archive: ZipFile, path: Path, info: ZipInfo, target: Path) -> Iterator[int]:
    """Writes one member and yields the size of each piece; a wrong checksum is an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(info) as packed, target.open("xb") as stream:
            while chunk := packed.read(CHUNK):
                stream.write(chunk)
                yield len(chunk)
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise fail(
            f"{path}: {info.filename!r}",
            found=f"a damaged member: {error}",
            expected="a member that unpacks and has the checksum (CRC) stated with it",
            fix=AGAIN,
        ) from error


def _check_part(path: Path, part: Part, stage: Path) -> None:
    if part.images:
        found = image_count(stage) if stage.exists() else 0
        if found != part.images:
            raise fail(
                f"{path}: {part.member!r}",
                found=f"{found:,} images",
                expected=f"{part.images:,} images",
                fix=AGAIN,
            )
    elif not stage.exists():
        where = f"{path}: {part.member!r}"
        raise fail(where, found="no such member", expected="an annotation file", fix=AGAIN)
    else:
        with stage.open("rb+") as stream:
            os.fsync(stream.fileno())
