"""COCO → Objects365: all of COCO is labeled, and a few images of Objects365; the rest is unlabeled.

Classes, class map and counts: released code, ssod/datasets/object365.py; its list of the few images
is not public. The map has 79 of COCO's 80 classes; others map differently: docs/decisions/0038.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gbss.data.sources import COCO_OBJECTS365, OBJECTS365, Patches
from gbss.splits.annotations import Annotations
from gbss.splits.class_map import select
from gbss.splits.recipe import Recipe, Target
from gbss.tasks import coco
from gbss.tasks.base import Files, Mapped, Task
from gbss.tasks.facts import rows

_ROWS = rows("objects365_classes")
_CLASSES = tuple(row["name"] for row in _ROWS)
_MINORITY = tuple(row["name"] for row in _ROWS if not row["coco"])
_COCO = coco.TASKS[0]

ABSENT = frozenset(
    name for source in OBJECTS365 if isinstance(source, Patches) for name in source.absent
)
"""Images that the annotation files list and the public release does not have."""

CORRECTED = {
    "Monitor/TV": "Moniter/TV",
    "Basket": "Bakset",
    "Dining Table": "Dinning Table",
    "Teapot": "Tea pot",
    "Extension Cord": "Extention Cord",
    "Hot air balloon": "Hotair ballon",
    "Hami melon": "Hamimelon",
    "Mushroom": "Mushroon",
    "Tape Measure/ Ruler": "Tape Measur/ Ruler",
    "Camel": "Campel",
    "Meatball": "Meat ball",
    "Butterfly": "Buttefly",
    "Table Tennis paddle": "Table Teniis paddle",
}
"""Names in corrected versions of the annotation files → the original ones."""


def tidy(annotations: Annotations) -> Annotations:
    """Puts an annotation file of Objects365 v2 right.

    Class names lose the blanks that some end with, and corrected ones become the original ones; of
    file names, the folder of the patch and the name stay; images that nobody has are left out.
    """
    stripped = [name.strip() for name in annotations.names]
    paths = ["/".join(name.split("/")[-2:]) for name in annotations.file_names]
    tidied = replace(
        annotations,
        names=tuple(CORRECTED.get(name, name) for name in stripped),
        file_names=tuple(paths),
    )
    return select(tidied, ~np.isin(paths, sorted(ABSENT)))


TASKS = (
    Task(
        name="coco-objects365",
        title="COCO → Objects365 (78 majority, 287 minority classes)",
        groups={
            "majority": tuple(name for name in _CLASSES if name not in _MINORITY),
            "minority": _MINORITY,
        },
        classes=_CLASSES,
        recipe=Recipe(
            minority=_MINORITY,
            labeled=119_790,
            targets={row["name"]: Target(int(row["labeled_images"])) for row in _ROWS},
        ),
        protocol="coco",
        drawing=None,
        files=Files(
            train="objects365/annotations/zhiyuan_objv2_train.json",
            train_images="objects365/train",
            val="objects365/annotations/zhiyuan_objv2_val.json",
            val_images="objects365/val",
        ),
        sources=COCO_OBJECTS365,
        mapped=Mapped(
            classes=_COCO.classes,
            to=dict.fromkeys(_COCO.classes)
            | {name: row["name"] for row in _ROWS for name in row["coco"].split("|") if name},
            train=f"coco/{_COCO.files.train}",
            train_images=f"coco/{_COCO.files.train_images}",
        ),
        tidy=tidy,
    ),
)
