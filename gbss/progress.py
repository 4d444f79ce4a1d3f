"""Progress of long loops: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

LINES = 10
"""How many lines a log gets per loop."""


def track(items: Sequence[Item], what: str, *, shown: bool = True) -> Iterator[Item]:
    """Yields ``items`` and tells on standard error how many are done.

    Args:
        items: What to go through.
        what: What is being done: ``drawing build/data/mini-coco/train``.
        shown: Whether to tell anything.
    """
    if not shown:
        yield from items
    elif sys.stderr.isatty():
        yield from tqdm(items, desc=what)
    else:
        step = max(1, -(-len(items) // LINES))
        for done, item in enumerate(items, start=1):
            yield item
            if done % step == 0 or done == len(items):
                print(f"{what}: {done}/{len(items)}", file=sys.stderr, flush=True)


@contextmanager
def meter(
    total: int, what: str, *, start: int = 0, unit: str = "bytes"
) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes how many more bytes are done, and tells it on standard error.

    Args:
        total: How many bytes there are.
        what: What is being done: ``fetching train2017.zip``.
        start: How many of them were done before.
        unit: What is counted, if not bytes.
    """
    if sys.stderr.isatty():
        short = "B" if unit == "bytes" else f" {unit}"
        with tqdm(total=total, initial=start, desc=what, unit=short, unit_scale=True) as bar:
            yield bar.update
        return
    done, told = start, LINES * start // max(1, total)

    def advance(size: int) -> None:
        nonlocal done, told
        done += size
        if (now := LINES * done // max(1, total)) > told:
            told = now
            print(f"{what}: {done:,} of {total:,} {unit}", file=sys.stderr, flush=True)

    yield advance
