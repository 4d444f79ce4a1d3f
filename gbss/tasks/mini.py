"""Embedded tasks: small images of the paper's sub-tasks that train on a CPU."""

from __future__ import annotations

from gbss.data import Drawing, ObjectClass, Subset
from gbss.splits.recipe import Recipe
from gbss.tasks.base import Task

# Class, and how often it is drawn in train: the minority is rarer in the unlabeled images, too. Ids
# have gaps, and horizontal stripes (the minority) stand between their look-alikes.
_VOCABULARY = (
    (ObjectClass("solid disc", 1, "disc", "solid"), 1.2),
    (ObjectClass("horizontal disc", 2, "disc", "horizontal"), 0.5),
    (ObjectClass("vertical disc", 4, "disc", "vertical"), 1.0),
    (ObjectClass("solid square", 5, "square", "solid"), 2.0),
    (ObjectClass("horizontal square", 8, "square", "horizontal"), 0.35),
    (ObjectClass("vertical square", 9, "square", "vertical"), 1.4),
    (ObjectClass("solid triangle", 13, "triangle", "solid"), 1.5),
    (ObjectClass("horizontal triangle", 14, "triangle", "horizontal"), 0.4),
    (ObjectClass("vertical triangle", 17, "triangle", "vertical"), 1.9),
    (ObjectClass("solid cross", 18, "cross", "solid"), 1.1),
    (ObjectClass("horizontal cross", 21, "cross", "horizontal"), 0.55),
    (ObjectClass("vertical cross", 25, "cross", "vertical"), 1.6),
)
_CLASSES = tuple(kind for kind, _ in _VOCABULARY)
_MINORITY = tuple(kind.name for kind in _CLASSES if kind.texture == "horizontal")

TASKS = (
    Task(
        name="mini-coco",
        title="mini-coco (embedded, 12 classes)",
        groups={
            "majority": tuple(kind.name for kind in _CLASSES if kind.name not in _MINORITY),
            "minority": _MINORITY,
        },
        classes=tuple(kind.name for kind in _CLASSES),
        recipe=Recipe(minority=_MINORITY, share=0.03, shots=5, cap=7),
        protocol="coco",
        drawing=Drawing(
            classes=_CLASSES,
            train=Subset(3000, {kind.name: frequency for kind, frequency in _VOCABULARY}),
            val=Subset(250, {kind.name: 1.0 for kind in _CLASSES}),
        ),
    ),
)
