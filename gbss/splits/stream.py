"""Walks through a JSON file, one object of long lists, without holding it in memory.

A list is handed over in blocks of about a mebibyte of text: fast typed parsers can work on those.
Where a block ends is guessed from the text (``}, {``), and the parser checks the guess for free:
text that starts at an entry and parses as a list of entries is exactly that. Wherever it does not
(the guess was wrong, the list ends, something is broken), smaller blocks are tried, and in the end
entries are read one by one.
"""

from __future__ import annotations

import hashlib
import json
import re
from codecs import utf_8_decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

BLOCK = 1 << 20
"""Bytes of a block: parsed in milliseconds, and small enough for a processor's cache."""

SMALL_BLOCK = 1 << 11
"""Bytes below which what does not parse is read one by one. Until then, less is tried."""

SHRINK = 8
"""How much less."""

FIRST_TRY = 1 << 12
"""Bytes in which a single entry is expected at first; most are shorter."""

NEAR_END = 16
"""An error this close to the end of the text may come from a cut inside a word or number."""

_SPACE = re.compile(rb"[ \t\n\r]*")
_BOUNDARY = re.compile(rb"\}[ \t\n\r]*,[ \t\n\r]*\{")
_DECODER = json.JSONDecoder()


class MalformedError(Exception):
    """The file is no JSON.

    Args:
        problem: What is wrong.
        offset: Where, in bytes from the start of the file.
    """

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem, offset)
        self.problem = problem
        self.offset = offset


class Walker:
    """A place in a JSON file, which moves forward only.

    Args:
        stream: The file.
        advance: Is told how many more bytes have been read.
    """

    def __init__(self, stream: BinaryIO, advance: Callable[[int], None]) -> None:
        self._stream = stream
        self._advance = advance
        self._sha = hashlib.sha256()
        self._buffer = b""
        self._start = 0  # of the buffer in the file
        self._at = 0  # in the buffer

    def digest(self) -> str:
        """The SHA-256 of what has been read, as 64 hexadecimal digits."""
        return self._sha.hexdigest()

    def members(self) -> Iterator[str]:
        """Goes through an object.

        Yields:
            Each key, with the walker in front of its value, which the caller has to step over.

        Raises:
            MalformedError: What comes next is no object, or anything follows it.
        """
        self._step(b"{")
        if self.peek() == b"}":
            self._at += 1
        else:
            closed = False
            while not closed:
                if self.peek() != b'"':
                    raise self._malformed("Expecting property name enclosed in double quotes")
                key: str = self.value()
                self._step(b":")
                yield key
                closed = self._step(b",}") == b"}"
        self.end()

    def end(self) -> None:
        """Makes sure that nothing follows.

        Raises:
            MalformedError: Something does.
        """
        if self.peek():
            raise self._malformed("Extra data")

    def entries(
        self, whole: Callable[[bytes], bool], several: Callable[[list[Any]], None]
    ) -> None:
        """Goes through a list, and hands its entries over in their order.

        Args:
            whole: Gets the text of a list of some of the entries; says whether it took them.
            several: Gets entries that it did not take.

        Raises:
            MalformedError: Something is no JSON.
        """
        self._step(b"[")
        if self.peek() == b"]":
            self._at += 1
            return
        size, closed = BLOCK, False
        while not closed:
            end = self._block_end(size)
            block = self._buffer[self._at : end]
            if not block.isascii():
                self._text(len(block))  # Parsers do not look into the strings they skip.
            if end and whole(b"[" + block + b"]"):
                self._at = end
                closed = self._closed()
                size = min(BLOCK, size * SHRINK)
            elif size > SMALL_BLOCK:
                size //= SHRINK
            else:
                closed = self._singly(end or self._at + size, several)

    def _singly(self, end: int, several: Callable[[list[Any]], None]) -> bool:
        """Hands over the entries up to a place, at least one; returns whether the list ends."""
        found: list[Any] = []
        closed = False
        end += self._start
        while not closed and (not found or self._start + self._at < end):
            found.append(self.value())
            closed = self._closed()
        several(found)
        return closed

    def _closed(self) -> bool:
        """Steps over what follows an entry; returns whether that is the end of the list."""
        closed = self._step(b",]") == b"]"
        self.peek()
        return closed

    def peek(self) -> bytes:
        """The next byte that is no space; nothing at the end of the file."""
        while True:
            space = _SPACE.match(self._buffer, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._buffer) or not self._more():
                return self._buffer[self._at : self._at + 1]

    def value(self) -> Any:
        """Reads one value, of whatever length.

        Raises:
            MalformedError: It is no JSON.
        """
        self.peek()
        size = FIRST_TRY
        while True:
            text = self._text(size)
            known = self._at + size >= len(self._buffer)
            try:
                value, end = _DECODER.raw_decode(text)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos >= len(text) - NEAR_END
                if known and not (cut and self._more()):
                    raise self._malformed(error.msg, len(text[: error.pos].encode())) from error
            except (ValueError, RecursionError) as error:
                raise self._malformed("Numbers too long or lists nested too deeply") from error
            else:
                # A number near the end may go on.
                whole = not isinstance(value, int | float) or end + NEAR_END < len(text)
                if whole or (known and not self._more()):
                    self._at += len(text[:end].encode())
                    return value
            size *= 2

    def _text(self, size: int) -> str:
        """The text of the next bytes, up to the last whole character."""
        part = self._buffer[self._at : self._at + size]
        try:
            return utf_8_decode(part, "strict", False)[0]
        except UnicodeDecodeError as error:
            raise self._malformed(f"{error.reason} (no UTF-8)", error.start) from error

    def _block_end(self, size: int) -> int:
        """The last place in the next bytes where an entry seems to end; 0 if there is none."""
        if len(self._buffer) - self._at < size:
            self._more()
        end = self._at + size
        while (end := self._buffer.rfind(b"}", self._at, end)) >= 0:
            if _BOUNDARY.match(self._buffer, end):
                return end + 1
        return 0

    def _step(self, wanted: bytes) -> bytes:
        """Steps over the next byte, which has to be one of ``wanted``."""
        found = self.peek()
        if not found or found not in wanted:
            listed = " or ".join(repr(character) for character in wanted.decode())
            raise self._malformed(f"Expecting {listed}")
        self._at += 1
        return found

    def _more(self) -> bool:
        """Reads on, and forgets what is behind; False at the end of the file."""
        # Never less than what is kept: long values would be copied once per block.
        block = self._stream.read(max(BLOCK, len(self._buffer) - self._at))
        self._sha.update(block)
        self._advance(len(block))
        self._start += self._at
        self._buffer = self._buffer[self._at :] + block
        self._at = 0
        return bool(block)

    def _malformed(self, problem: str, ahead: int = 0) -> MalformedError:
        return MalformedError(problem, self._start + self._at + ahead)


def line_and_column(path: Path, offset: int) -> tuple[int, int]:
    """Where a byte of a file stands, both from 1; a column is a byte."""
    line, start, place = 1, 0, 0
    with path.open("rb") as stream:
        while place < offset and (block := stream.read(min(BLOCK, offset - place))):
            if newlines := block.count(b"\n"):
                line += newlines
                start = place + block.rindex(b"\n") + 1
            place += len(block)
    return line, offset - start + 1
