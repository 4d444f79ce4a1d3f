"""The one error type that users see, and the collector of all faults of a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

SHOWN_FAULTS = 20
"""How many faults of one file are spelled out; the rest is counted."""

TRY_AGAIN = 75
"""Exit status of a command that goes on when it is started again (``EX_TEMPFAIL``)."""

KEPT_FAULTS = 1000
"""How many faults are kept in memory: a file of millions of boxes can have as many."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input.

    Attributes:
        where: File, and the id or key inside it: ``train.json: annotation 7``.
        found: The offending value as it was read.
        expected: What a valid input has in its place.
        fix: What the user can do about it.
    """

    where: str
    found: str
    expected: str
    fix: str

    def __str__(self) -> str:
        return (
            f"{self.where}\n    found:    {self.found}\n    expected: {self.expected}\n"
            f"    to do:    {self.fix}"
        )


class GbssError(Exception):
    """Bad input or an impossible request; the command line prints it without a traceback.

    Args:
        faults: Everything that is wrong, in the order in which it was found. At least one.
        more: How many faults there are that were not kept.
    """

    def __init__(self, *faults: Fault, more: int = 0) -> None:
        if not faults:
            raise ValueError("a GbssError needs at least one fault")
        self.faults = faults
        self.more = more
        super().__init__(*faults)

    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults[:SHOWN_FAULTS]]
        if hidden := len(self.faults) - len(lines) + self.more:
            lines.append(f"... and {hidden:,} more")
        return "\n".join(lines)


def fail(where: str, *, found: str, expected: str, fix: str) -> GbssError:
    """Returns (does not raise) a `GbssError` with a single fault, for ``raise fail(...)``."""
    return GbssError(Fault(where, found, expected, fix))


class Stopped(Exception):  # noqa: N818  (nothing went wrong)
    """Work that was asked to stop and can go on later.

    Args:
        text: What was kept, and how to go on.
        status: Exit status of the command.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Faults:
    """Collects the faults of one input; leaving the ``with`` block raises them together.

    An exception raised inside the block wins over the collected faults, except that a
    `GbssError` is reported together with them.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._more = 0

    def add(self, where: str, *, found: str, expected: str, fix: str) -> None:
        """Notes one fault; see `Fault` for the arguments."""
        self._keep([Fault(where, found, expected, fix)])

    def join(self, other: Faults) -> None:
        """Notes what another collector has."""
        self._keep(other._faults)
        self._more += other._more

    def _keep(self, faults: list[Fault]) -> None:
        kept = faults[: max(0, KEPT_FAULTS - len(self._faults))]
        self._faults += kept
        self._more += len(faults) - len(kept)

    def __len__(self) -> int:
        return len(self._faults) + self._more

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, GbssError) and self._faults:
            more = self._more + error.more
            raise GbssError(*self._faults, *error.faults, more=more) from error
        if error is None and self._faults:
            raise GbssError(*self._faults, more=self._more)


def in_our_words(error: GbssError | OSError) -> GbssError:
    """An error of the operating system in the layout of ours; one of ours as it is."""
    if isinstance(error, GbssError):
        return error
    return fail(
        str(error.filename or "the operating system"),
        found=error.strerror or str(error),
        expected="files and folders that can be read and written",
        fix="check the path, its permissions and the space left",
    )


def nearest(name: object, known: Iterable[object]) -> str:
    """Names the known spelling closest to ``name``, as the end of a sentence.

    Args:
        name: What was read; anything that is no text is spelled out.
        known: The known spellings.

    Returns:
        ``did you mean 'x'? known: a, b, x`` or, if nothing is close, ``known: a, b, x``.
    """
    names = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"
