"""Writing without half-written files, and checksums."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gbss.errors import fail


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a path beside ``path`` to write to; renamed into place only if the block succeeds.

    Args:
        path: The final file. Its folder is made if missing. What was there before stays until
            the rename, which replaces it in one step.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
    )
    os.close(descriptor)
    beside = Path(name)
    try:
        yield beside
        with beside.open("rb+") as stream:
            os.fsync(stream.fileno())
        # mkstemp makes private files; results are to be read by others, as plain open() allows.
        umask = os.umask(0)
        os.umask(umask)
        beside.chmod(0o666 & ~umask)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text in one step."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Writes JSON in one step; refuses NaN and infinity, which JSON does not have."""
    write_text(path, json.dumps(value, indent=indent, allow_nan=False) + "\n")


def read_json(path: Path, *, what: str) -> Any:
    """Reads a whole JSON file.

    Args:
        path: The file.
        what: What the file is, for the messages: ``run record``.

    Raises:
        GbssError: The file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise fail(
            str(path), found="no such file", expected=f"a {what}", fix="check the path"
        ) from error
    except json.JSONDecodeError as error:
        raise fail(
            f"{path}: line {error.lineno}, column {error.colno}",
            found=f"{error.msg} (truncated or not JSON)",
            expected=f"a {what} in JSON",
            fix="make or fetch the file again",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        # No UTF-8, a number of thousands of digits, lists nested thousands of times.
        raise fail(
            str(path), found=str(error), expected=f"a readable {what}", fix="check the file"
        ) from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
