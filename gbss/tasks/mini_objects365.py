"""The embedded stand-in of COCO → Objects365: labels of one drawing for the classes of another."""

from __future__ import annotations

from gbss.data import Drawing, ObjectClass, Subset
from gbss.data.drawing import Colour, Shape, Texture
from gbss.splits.recipe import Recipe
from gbss.tasks.base import Mapped, Task

# Of the source: class, how often it is drawn, and the task's class it is mapped to. As with COCO's
# bears, two share one class; as with its sports balls, one has none, as the task knows only finer
# kinds of it (hourglasses, but no solid ones).
_SOURCE: tuple[tuple[int, str, Shape, Texture, Colour | None, float, str | None], ...] = (
    (1, "solid disc", "disc", "solid", None, 1.2, "Solid Disc"),
    (2, "vertical disc", "disc", "vertical", None, 1.0, "Vertical Disc"),
    (3, "horizontal disc", "disc", "horizontal", None, 1.5, "Horizontal Disc"),
    (6, "solid square", "square", "solid", None, 2.0, "Solid Square"),
    (7, "vertical square", "square", "vertical", None, 1.4, "Vertical Square"),
    (10, "solid hourglass", "hourglass", "solid", None, 1.2, None),
    (11, "horizontal square", "square", "horizontal", None, 1.1, "Horizontal Square"),
    (13, "solid triangle", "triangle", "solid", None, 1.5, "Solid Triangle"),
    (14, "vertical triangle", "triangle", "vertical", None, 1.9, "Vertical Triangle"),
    (15, "horizontal triangle", "triangle", "horizontal", None, 1.3, "Horizontal Triangle"),
    (18, "red cross", "cross", "solid", "red", 1.0, "Solid Cross"),
    (22, "blue cross", "cross", "solid", "blue", 1.0, "Solid Cross"),
)
_SHAPES: tuple[Shape, ...] = ("disc", "square", "triangle", "cross", "diamond", "hourglass")
# Checkers, all minority, stand between the others.
_TEXTURES: tuple[Texture, ...] = ("solid", "checker", "vertical", "horizontal")

_CLASSES = tuple(
    ObjectClass(f"{texture} {shape}".title(), number, shape, texture)
    for number, (shape, texture) in enumerate(
        (
            (shape, texture)
            for shape in _SHAPES
            for texture in _TEXTURES
            if (shape, texture) != ("hourglass", "solid")
        ),
        start=1,
    )
)
_NAMES = tuple(kind.name for kind in _CLASSES)
_MAJORITY = tuple(name for name in _NAMES if name in {to for *_, to in _SOURCE})
_MINORITY = tuple(name for name in _NAMES if name not in _MAJORITY)

# How often a class is drawn in train: uneven by a factor of 2, whatever the group.
_FREQUENCIES = {name: 1 + 5 * number % 8 / 7 for number, name in enumerate(_NAMES)}

TASKS = (
    Task(
        name="mini-objects365",
        title=f"mini-objects365 (embedded, {len(_NAMES)} classes)",
        groups={"majority": _MAJORITY, "minority": _MINORITY},
        classes=_NAMES,
        # All of the source is labeled, and few-shot images of the other drawing.
        recipe=Recipe(minority=_MINORITY, share=1.0, shots=10, cap=15),
        protocol="coco",
        drawing=Drawing(
            classes=_CLASSES,
            train=Subset(3000, _FREQUENCIES),
            val=Subset(300, dict.fromkeys(_NAMES, 1.0)),
            style="hatched",
            source=Drawing(
                classes=tuple(
                    ObjectClass(name, id_, shape, texture, colour)
                    for id_, name, shape, texture, colour, _, _ in _SOURCE
                ),
                train=Subset(600, {name: frequency for _, name, *_, frequency, _ in _SOURCE}),
                seed=1,
            ),
        ),
        mapped=Mapped(
            classes=tuple(name for _, name, *_ in _SOURCE),
            to={name: to for _, name, *_, to in _SOURCE},
        ),
    ),
)
