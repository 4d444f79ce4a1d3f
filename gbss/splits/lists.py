"""Lists of image ids: one a line, in labeled lists with where the image comes from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from reprlib import repr as shown

from gbss.errors import Faults
from gbss.splits.annotations import Annotations
from gbss.splits.entries import LARGEST_ID

SOURCES = ("base", "few-shot")
SHOWN_IDS = 5
"""How many offending ids a message names."""


def lines_of(path: Path) -> list[str]:
    """The lines of a file; bytes that are no UTF-8 become marks that no sound line holds."""
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def parse_ids(
    path: Path, faults: Faults, words: tuple[str, ...] = ("",), *, fix: str
) -> dict[int, str]:
    """Reads a list of image ids.

    Args:
        path: The list.
        faults: Where to note the bad lines.
        words: What may follow an id; "" stands for nothing.
        fix: What to do about a bad line.

    Returns:
        Image id → the word behind it, of the sound lines.
    """
    ids: dict[int, str] = {}
    marks = "|".join(filter(None, words))
    expected = f"<image id> {marks}" if marks else "<image id>"
    for number, line in enumerate(lines_of(path), start=1):
        where = f"{path}: line {number}"
        first, _, word = line.partition(" ")
        if not _is_id(first) or word not in words:
            faults.add(where, found=shown(line), expected=expected, fix=fix)
        elif int(first) in ids:
            found = f"image {int(first)} again"
            faults.add(where, found=found, expected="each image once", fix=fix)
        else:
            ids[int(first)] = word
    return ids


def _is_id(text: str) -> bool:
    # Python refuses to read numbers of thousands of digits.
    return text.isdecimal() and len(text) <= len(str(LARGEST_ID)) and int(text) <= LARGEST_ID


def check_division(
    annotations: Annotations,
    where: str,
    parts: tuple[set[int], set[int]],
    faults: Faults,
    *,
    fix: str,
) -> None:
    """Notes where labeled and unlabeled are not disjoint or together not the images of the file.

    Args:
        annotations: The train annotations.
        where: The lists, for the messages.
        parts: Labeled ids and unlabeled ids.
        faults: Where to note.
        fix: What to do about it.
    """
    images = set(annotations.image_ids.tolist())
    labeled, unlabeled = parts
    for found, ids, expected in (
        ("images in both lists", labeled & unlabeled, "each image in one list"),
        ("images in no list", images - labeled - unlabeled, "each image in one list"),
        ("unknown images", (labeled | unlabeled) - images, f"images of {annotations.path}"),
    ):
        if ids:
            faults.add(where, found=f"{found}: {some(ids)}", expected=expected, fix=fix)


def some(ids: Iterable[int]) -> str:
    """The first few ids and how many there are."""
    ordered = sorted(ids)
    more = f", ... ({len(ordered)} in all)" if len(ordered) > SHOWN_IDS else ""
    return ", ".join(map(str, ordered[:SHOWN_IDS])) + more
