"""Which labeled images splits of one data set have in common."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from gbss.errors import Faults, fail
from gbss.files import write_text
from gbss.splits.files import CHECKSUMS, LISTS
from gbss.splits.lists import SOURCES, lines_of, parse_ids

RESTORE = "restore the committed file, or build the split anew"


@dataclass(frozen=True)
class Overlap:
    """Two splits of one data set.

    Attributes:
        first: Name of a split.
        second: Name of a split, perhaps the same.
        labeled: Labeled images of the first.
        common: How many of them are labeled in the second, too.
        chance: Share of all images that the second labels: what independent splits would share.
    """

    first: str
    second: str
    labeled: int
    common: int
    chance: float

    @property
    def share(self) -> float:
        """Share of the first split's labeled images that are labeled in the second."""
        return self.common / self.labeled if self.labeled else 0.0


def overlaps(folder: Path) -> list[Overlap]:
    """All pairs of the splits in a folder that divide the same annotation file, both ways round.

    Args:
        folder: The folder of the committed splits; each has a folder of its own.

    Raises:
        GbssError: There is no split, or what is wrong with the lists.
    """
    labeled: dict[str, set[int]] = {}
    images: dict[str, int] = {}
    same_data: dict[str, list[str]] = defaultdict(list)
    with Faults() as faults:
        for sums in sorted(folder.glob(f"*/{CHECKSUMS}")):
            name, lists = sums.parent.name, sums.parent
            for file in ("labeled.txt", "unlabeled.txt"):
                if not (lists / file).is_file():
                    expected = "a committed list"
                    faults.add(
                        str(lists / file), found="no such file", expected=expected, fix=RESTORE
                    )
            if len(faults):
                continue
            labeled[name] = set(parse_ids(lists / "labeled.txt", faults, SOURCES, fix=RESTORE))
            images[name] = len(labeled[name]) + len(lines_of(lists / "unlabeled.txt"))
            same_data[_annotation_file(sums)].append(name)
    if not labeled:
        fix = "build one with `gbss split TASK`"
        raise fail(str(folder), found="no split", expected=f"folders with {CHECKSUMS}", fix=fix)
    return [
        Overlap(
            first,
            second,
            len(labeled[first]),
            len(labeled[first] & labeled[second]),
            len(labeled[second]) / images[second],
        )
        for names in same_data.values()
        for first, second in product(names, names)
    ]


def overlap_csv(pairs: list[Overlap]) -> str:
    """The pairs as CSV, one a line; shares with four digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["first", "second", "labeled", "common", "share", "share_by_chance"])
    for pair in pairs:
        shares = [f"{pair.share:.4f}", f"{pair.chance:.4f}"]
        writer.writerow([pair.first, pair.second, pair.labeled, pair.common, *shares])
    return stream.getvalue()


def write_overlaps(folder: Path) -> list[Overlap]:
    """Writes ``overlap.csv`` into the folder of the splits; see `overlaps`."""
    pairs = overlaps(folder)
    write_text(folder / "overlap.csv", overlap_csv(pairs))
    return pairs


def overlap_text(pairs: list[Overlap]) -> str:
    """The matrix: shares of each split's labeled images, in percent; blank for other data."""
    names = list(dict.fromkeys(pair.first for pair in pairs))
    shares = {(pair.first, pair.second): f"{100 * pair.share:.1f} %" for pair in pairs}
    lines = [["labeled in", *names]]
    lines += [[first, *(shares.get((first, second), "") for second in names)] for first in names]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )


def _annotation_file(sums: Path) -> str:
    """The checksum of the annotation file that a split divides."""
    lines = (line.partition("  ") for line in lines_of(sums))
    return " ".join(digest for digest, _, name in lines if name not in LISTS)
