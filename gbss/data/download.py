"""Fetching one archive over HTTP: goes on after a break, and is in place only if it is the one."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from gbss.data.sources import Archive
from gbss.errors import GbssError, fail
from gbss.progress import meter

CHUNK = 1 << 20
ATTEMPTS = 5
"""So many times in a row without a single new byte, and it is given up."""
SECONDS = 30
"""A server that says nothing for so long has broken off."""
TRY_LATER = {408, 425, 429}


class _BrokenOffError(Exception):
    """The server or the network ended a transfer that may go on."""


def download(archive: Archive, path: Path, *, pause: float = 2.0) -> None:
    """Fetches an archive to ``path``, which exists only once size and checksum are right.

    What is there of an earlier attempt (``path`` with the ending ``.part``) is continued if the
    server still has the same file, and fetched anew otherwise.

    Args:
        archive: What to fetch.
        path: Where to; its folder exists.
        pause: Seconds before the second attempt; each further one waits twice as long.

    Raises:
        GbssError: The server does not have the file, has another one, or keeps breaking off; or
            the disk is too small.
    """
    part, tag = (path.with_name(f"{path.name}.{ending}") for ending in ("part", "etag"))
    if _size(part) > archive.size:
        part.unlink()
    began_with = _size(part)
    _receive_all(archive, part, tag, pause)
    found = _checksum(part)
    if found != archive.sha256 and began_with:
        # Two halves of two files: the server could not tell, so take it from one.
        part.unlink()
        _receive_all(archive, part, tag, pause)
        found = _checksum(part)
    tag.unlink(missing_ok=True)
    if found != archive.sha256:
        part.unlink()
        raise fail(
            archive.url,
            found=f"a file of {archive.size:,} bytes with SHA-256 {found}; it is removed",
            expected=f"SHA-256 {archive.sha256}",
            fix=f"run the same command again; if it stays so, get {archive.name} elsewhere and put "
            "it into the data root",
        )
    part.rename(path)


def _checksum(path: Path) -> str:
    """The SHA-256 of a large file, with progress."""
    digest, name = hashlib.sha256(), path.name.removesuffix(".part")
    with path.open("rb") as stream, meter(_size(path), f"checking {name}") as advance:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            advance(len(chunk))
    return digest.hexdigest()


def check_own(archive: Archive, path: Path) -> None:
    """Raises a `GbssError` unless a file that the user put there is the archive."""
    found = f"{_size(path):,} bytes"
    if _size(path) == archive.size:
        if (digest := _checksum(path)) == archive.sha256:
            return
        found = f"SHA-256 {digest}"
    expected = f"{archive.size:,} bytes with SHA-256 {archive.sha256}"
    fix = f"replace it, or move it away to have it fetched from {archive.url}"
    raise fail(str(path), found=found, expected=expected, fix=fix)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive_all(archive: Archive, part: Path, tag: Path, pause: float) -> None:
    failures = 0
    while (before := _size(part)) < archive.size:
        _check_room(archive, part, before)
        try:
            _receive(archive, part, tag)
            continue
        except _BrokenOffError as error:
            broken = error
            failures = 0 if _size(part) > before else failures + 1
            if failures == ATTEMPTS:
                raise fail(
                    archive.url,
                    found=f"{error}, {ATTEMPTS} times in a row; {_size(part):,} bytes are here",
                    expected=f"{archive.size:,} bytes",
                    fix="check the network (proxy: HTTP_PROXY, HTTPS_PROXY) and run the same "
                    "command: it goes on where this one ended",
                ) from error
        wait = pause * 2**failures
        told = f"{archive.url}: {broken}; going on in {wait:g} s"
        print(told, file=sys.stderr, flush=True)
        time.sleep(wait)


def _check_room(archive: Archive, part: Path, have: int) -> None:
    needed, free = archive.size - have + archive.unpacked, shutil.disk_usage(part.parent).free
    if free < needed:
        raise fail(
            str(part.parent),
            found=f"{free:,} bytes free",
            expected=f"{needed:,} bytes for {archive.name} and what it holds",
            fix="free some space, or name a folder on a larger disk",
        )


def _receive(archive: Archive, part: Path, tag: Path) -> None:
    """One request: the rest of the file, or all of it."""
    have = _size(part)
    headers = {"User-Agent": "gbss", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag.exists():
            # Only if it is still the same file; otherwise all of the new one.
            headers["If-Range"] = tag.read_text()
    with _answer(archive, part, headers) as response:
        if response.status == 206:
            _check_range(archive, part, response, have)
        else:
            have = 0
            _check_size(archive, response.headers["Content-Length"])
            part.write_bytes(b"")
            tag.unlink(missing_ok=True)
            if validator := _validator(response):
                tag.write_text(validator)
        with (
            part.open("ab") as stream,
            meter(archive.size, f"fetching {archive.name}", start=have) as advance,
        ):
            for chunk in _chunks(response):
                stream.write(chunk)
                have += len(chunk)
                advance(len(chunk))
                if have > archive.size:
                    break
    if have > archive.size:
        part.unlink()
        tag.unlink(missing_ok=True)
        _check_size(archive, f"more than {archive.size}")
    if have < archive.size:
        raise _BrokenOffError("the server broke off")


@contextmanager
def _answer(archive: Archive, part: Path, headers: dict[str, str]) -> Iterator[HTTPResponse]:
    request = urllib.request.Request(archive.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            # Nothing beyond what is here: it belongs to another file.
            part.unlink(missing_ok=True)
        elif error.code < 500 and error.code not in TRY_LATER:
            raise _not_there(archive, f"HTTP {error.code} {error.reason}") from error
        raise _BrokenOffError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _BrokenOffError(str(getattr(error, "reason", error))) from error
    with response:
        if response.status not in (200, 206):
            raise _not_there(archive, f"HTTP {response.status}")
        yield response


def _not_there(archive: Archive, found: str) -> GbssError:
    return fail(
        archive.url,
        found=found,
        expected=f"{archive.name}, {archive.size:,} bytes",
        fix="has it moved? get it elsewhere and put it into the data root under this name",
    )


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    """The body; errors of the network, unlike those of the disk, are `_BrokenOffError`."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, HTTPException) as error:
            raise _BrokenOffError(f"the server broke off ({error})") from error
        if not chunk:
            return
        yield chunk


def _validator(response: HTTPResponse) -> str | None:
    """What tells this file from a later one at the same address; weak tags do not."""
    tag: str | None = response.headers["ETag"]
    if tag and not tag.startswith("W/"):
        return tag
    modified: str | None = response.headers["Last-Modified"]
    return modified


def _check_range(archive: Archive, part: Path, response: HTTPResponse, have: int) -> None:
    stated = response.headers["Content-Range"] or ""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", stated)
    if not found or int(found[1]) != have:
        part.unlink()
        raise _BrokenOffError(f"the server sent the range {stated!r}, not {have}-")
    if found[2] != "*":
        _check_size(archive, found[2])


def _check_size(archive: Archive, found: str | None) -> None:
    if found is not None and found != str(archive.size):
        raise fail(
            archive.url,
            found=f"a file of {found} bytes",
            expected=f"{archive.size} bytes",
            fix="is a login page or proxy in between? otherwise its publisher changed it: get the "
            f"original elsewhere and put it into the data root as {archive.name}",
        )
