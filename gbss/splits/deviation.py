"""How far the labeled images of a split are from the stated counts, for people."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from statistics import median


def deviation_text(counts: str) -> str:
    """One line per class with a target, then a summary of each group.

    Args:
        counts: The text of ``counts.csv``.

    Returns:
        Aligned lines; empty where no class has a target.
    """
    rows = [row for row in csv.DictReader(counts.splitlines()) if row["target_images"]]
    if not rows:
        return ""
    head: tuple[str, ...] = (
        "class",
        "group",
        "images",
        "stated",
        "off",
        "%",
        "boxes",
        "stated",
        "off",
    )
    images = ["labeled_images", "target_images", "deviation_images", "deviation_percent"]
    keys = ["name", "group", *images, "labeled_boxes", "target_boxes", "deviation_boxes"]
    lines = [head, *(tuple(row[key] for key in keys) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join([*map(str.ljust, line[:2], widths[:2]), *map(str.rjust, line[2:], widths[2:])])
        for line in lines
    ]
    groups = dict.fromkeys(row["group"] for row in rows)
    text += [_summary(group, [row for row in rows if row["group"] == group]) for group in groups]
    return "\n".join(text)


def _summary(group: str, rows: list[Mapping[str, str]]) -> str:
    exact = sum(int(row["deviation_images"]) == 0 for row in rows)
    off = {row["name"]: abs(float(row["deviation_percent"] or 0)) for row in rows}
    worst = max(off, key=lambda name: off[name])
    return (
        f"{group}: {exact} of {len(rows)} classes at their number of images; median deviation "
        f"{median(off.values()):.2f} %, largest {off[worst]:.2f} %"
        + (f" ({worst})" if off[worst] else "")
    )
