"""The embedded stand-in of LVIS: many classes in a long tail, federated annotation."""

from __future__ import annotations

from itertools import product

from gbss.data import Drawing, Federation, ObjectClass, Subset
from gbss.data.drawing import Colour, Shape, Texture
from gbss.splits.recipe import Recipe
from gbss.tasks.base import Task

_SHAPES: tuple[Shape, ...] = ("disc", "square", "triangle", "cross", "diamond")
_TEXTURES: tuple[Texture, ...] = ("solid", "vertical", "horizontal", "checker")
_COLOURS: tuple[Colour, ...] = ("red", "green", "blue")

# Ids have gaps: every fourth is missing.
_CLASSES = tuple(
    ObjectClass(f"{colour} {texture} {shape}", 1 + number + number // 3, shape, texture, colour)
    for number, (shape, texture, colour) in enumerate(product(_SHAPES, _TEXTURES, _COLOURS))
)

BOUNDS = {"rare": (1, 40), "common": (41, 160), "frequent": (161, 5000)}
"""Train images with a box of the class, fewest and most. LVIS has 1-10, 11-100 and more of 100,170;
its share of rare, common and frequent classes is kept."""

# Rank of a class in the tail. 37 and 60 have no common factor: every shape, texture and colour has
# classes of each group, and neighbours in the tail look different.
_RANKS = tuple(37 * number % len(_CLASSES) for number in range(len(_CLASSES)))
_FREQUENT, _COMMON = 20, 23


def _group(rank: int) -> str:
    if rank < _FREQUENT:
        return "frequent"
    return "common" if rank < _FREQUENT + _COMMON else "rare"


def _frequency(rank: int) -> float:
    """How often a class is drawn in train: by powers, with a step between two groups."""
    if rank < _FREQUENT:
        return 900 * 0.955**rank
    if rank < _FREQUENT + _COMMON:
        return 150 * 0.97 ** (rank - _FREQUENT)
    return 38 * 0.97 ** (rank - _FREQUENT - _COMMON)


_GROUPS = {
    group: tuple(
        kind.name for kind, rank in zip(_CLASSES, _RANKS, strict=True) if _group(rank) == group
    )
    for group in BOUNDS
}

TASKS = (
    Task(
        name="mini-lvis",
        title="mini-lvis (embedded, 60 classes)",
        groups=_GROUPS,
        classes=tuple(kind.name for kind in _CLASSES),
        recipe=Recipe(minority=(), share=0.1, groups=_GROUPS),
        protocol="lvis",
        drawing=Drawing(
            classes=_CLASSES,
            train=Subset(
                5000,
                {kind.name: _frequency(rank) for kind, rank in zip(_CLASSES, _RANKS, strict=True)},
            ),
            val=Subset(500, {kind.name: 1.0 for kind in _CLASSES}),
            crowd_share=0.0,
            federation=Federation(annotated=0.9, partly=0.15, lacking=0.25),
        ),
    ),
)
