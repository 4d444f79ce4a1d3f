"""Generated blocks of a README: tables stand there as their files say, never pasted by hand.

A block is what stands between two lines of their own::

    <!-- begin results/tables/demo/main_coco.md -->
    <!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from gbss.errors import Faults, fail
from gbss.files import write_text

_END = "<!-- end -->"
_MARK = re.compile(rf"^(?:<!-- begin (?P<name>\S+) -->|{_END})$", re.MULTILINE)
_BLOCK = re.compile(
    rf"^(?P<begin><!-- begin (?P<name>\S+) -->\n)(?P<content>.*?)^{_END}$", re.MULTILINE | re.DOTALL
)


def update_blocks(text: str, read: Callable[[str], str], *, source: str = "README.md") -> str:
    """Replaces the content of every block with the file that it names.

    Args:
        text: The README.
        read: Path as the block names it → content of that file.
        source: The README's name, for the messages.

    Returns:
        The new text; the same text if every block was up to date.

    Raises:
        GbssError: A block does not end, or an end has no beginning.
    """
    _check_marks(text, source)
    return _BLOCK.sub(lambda block: f"{block['begin']}{_content(block, read)}{_END}", text)


def update_readme(path: Path, *, check: bool = False) -> None:
    """Brings the blocks of a README up to date; the files are relative to its folder.

    Args:
        path: The README.
        check: Change nothing, and fail if anything would change.

    Raises:
        GbssError: A block is broken, a file is missing or, with ``check``, a block is out of date.
    """
    text = path.read_text(encoding="utf-8")

    def read(name: str) -> str:
        try:
            return (path.parent / name).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise fail(
                f"{path}: block {name}",
                found="no such file",
                expected="a generated file, relative to the README",
                fix="make the file, or remove the block",
            ) from error

    updated = update_blocks(text, read, source=str(path))
    if updated == text:
        return
    if check:
        stale = [b["name"] for b in _BLOCK.finditer(text) if b["content"] != _content(b, read)]
        raise fail(
            str(path),
            found=f"blocks that differ from their files: {', '.join(stale)}",
            expected="the content of the files",
            fix="run `gbss readme`",
        )
    write_text(path, updated)


def _content(block: re.Match[str], read: Callable[[str], str]) -> str:
    return read(block["name"]).rstrip("\n") + "\n"


def _check_marks(text: str, source: str) -> None:
    """Beginnings and ends must take turns; else a block would swallow what follows it."""
    opened: tuple[str, str] | None = None
    with Faults() as faults:

        def unclosed(place: str, name: str) -> None:
            faults.add(
                place,
                found=f"the block {name} without an end",
                expected=f"a line '{_END}' after it",
                fix="add the end",
            )

        for mark in _MARK.finditer(text):
            line = text.count("\n", 0, mark.start()) + 1
            place = f"{source}: line {line}"
            if mark["name"] is None and opened is None:
                faults.add(
                    place,
                    found=_END,
                    expected="a line '<!-- begin FILE -->' before it",
                    fix="add the beginning or remove the end",
                )
            if mark["name"] is not None and opened is not None:
                unclosed(*opened)
            opened = None if mark["name"] is None else (place, mark["name"])
        if opened is not None:
            unclosed(*opened)
