"""Opens JSON files of any size to walk through, and says in our words what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gbss.errors import fail
from gbss.progress import meter
from gbss.splits.stream import MalformedError, Walker, line_and_column

LARGE = 1 << 28
"""Bytes of a file from which on progress is shown."""


@contextmanager
def walk(path: Path, what: str) -> Iterator[Walker]:
    """Opens a JSON file to walk through; shows progress if it is a large one.

    Args:
        path: The file.
        what: What the file is, for the messages.

    Raises:
        GbssError: The file cannot be read or turns out to be no JSON.
    """
    try:
        with path.open("rb") as stream, _progress(stream, path) as advance:
            yield Walker(stream, advance)
    except FileNotFoundError as error:
        raise fail(
            str(path), found="no such file", expected=f"a {what}", fix="check the path"
        ) from error
    except OSError as error:
        found = error.strerror or str(error)
        raise fail(
            str(path), found=found, expected=f"a readable {what}", fix="check the file"
        ) from error
    except MalformedError as error:
        line, column = line_and_column(path, error.offset)
        raise fail(
            f"{path}: line {line}, column {column}",
            found=f"{error.problem} (truncated or not JSON)",
            expected=f"a {what} in JSON",
            fix="make or fetch the file again",
        ) from error


@contextmanager
def _progress(stream: BinaryIO, path: Path) -> Iterator[Callable[[int], None]]:
    """Progress of reading a file, if it is a large one."""
    size = os.fstat(stream.fileno()).st_size
    if size < LARGE:
        yield lambda _: None
    else:
        with meter(size, f"reading {path}") as advance:
            yield advance
