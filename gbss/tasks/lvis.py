"""LVIS v1: a tenth of train is labeled, with all its annotations; classes grouped by image count.

Classes and groups: the frequencies in LVIS's own annotation files. Labeled images: 9,946 in the
released code, which states no counts per class and does not have the list.
"""

from __future__ import annotations

from gbss.data.sources import LVIS
from gbss.splits.recipe import Recipe
from gbss.tasks.base import Files, Task
from gbss.tasks.facts import rows

_ROWS = rows("lvis_classes")
_GROUPS = {
    group: tuple(row["name"] for row in _ROWS if row["group"] == group)
    for group in ("rare", "common", "frequent")
}

TASKS = (
    Task(
        name="lvis",
        title="LVIS v1 (337 rare, 461 common, 405 frequent classes)",
        groups=_GROUPS,
        classes=tuple(row["name"] for row in _ROWS),
        recipe=Recipe(minority=(), labeled=9_946, groups=_GROUPS),
        protocol="lvis",
        drawing=None,
        # Its images are those of COCO 2017, and its val has some of train2017.
        files=Files(
            train="annotations/lvis_v1_train.json",
            train_images="",
            val="annotations/lvis_v1_val.json",
            val_images="",
        ),
        sources=LVIS,
    ),
)
