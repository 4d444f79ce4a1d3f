"""One scene: which objects stand where, what they cover, and what is annotated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbss.data.drawing import Drawing, ObjectClass, Subset
from gbss.data.stamps import Pixels, Stamp, background, crowd, noise, single

ATTEMPTS = 10
"""Places that are tried for an object before the scene goes without it."""


@dataclass(frozen=True)
class Placed:
    """An object as the annotation describes it.

    Attributes:
        kind: Its class.
        box: x, y, width, height of its visible pixels.
        area: Number of its visible pixels.
        crowd: Whether the box stands for a cluster of objects.
    """

    kind: ObjectClass
    box: tuple[int, int, int, int]
    area: int
    crowd: bool


@dataclass(frozen=True)
class Scene:
    """An image (side, side, 3) and its objects, the rearmost first."""

    pixels: NDArray[np.uint8]
    objects: tuple[Placed, ...]


class _Canvas:
    """Pixels, and which object shows at each of them."""

    def __init__(self, pixels: Pixels, visible_share: float) -> None:
        self.pixels = pixels
        self.visible_share = visible_share
        self.owner = np.full(pixels.shape[:2], -1, dtype=np.int16)
        self.kinds: list[tuple[ObjectClass, bool]] = []
        self._full: list[int] = []

    def place(
        self, rng: np.random.Generator, stamp: Stamp, kind: ObjectClass, *, crowd: bool
    ) -> None:
        """Puts an object at a random place where everything stays visible enough, if one is found.

        A fifth of an object may stick out of the image.
        """
        (tall, wide), side = stamp.mask.shape, len(self.owner)
        full = int(stamp.mask.sum())
        for _ in range(ATTEMPTS):
            x = int(rng.integers(-(wide // 5), side - wide + wide // 5 + 1))
            y = int(rng.integers(-(tall // 5), side - tall + tall // 5 + 1))
            here = np.s_[max(y, 0) : y + tall, max(x, 0) : x + wide]
            part = np.s_[max(-y, 0) : side - y, max(-x, 0) : side - x]
            mask = stamp.mask[part]
            after = self.owner.copy()
            after[here][mask] = len(self.kinds)
            shown = np.bincount(after[after >= 0], minlength=len(self.kinds) + 1)
            if (shown >= self.visible_share * np.array([*self._full, full])).all():
                self.owner = after
                self.pixels[here][mask] = stamp.pixels[part][mask]
                self.kinds.append((kind, crowd))
                self._full.append(full)
                return

    def placed(self) -> tuple[Placed, ...]:
        """Visible box and area of every object, the rearmost first."""
        objects = []
        for index, (kind, many) in enumerate(self.kinds):
            rows, columns = np.nonzero(self.owner == index)
            x, y = int(columns.min()), int(rows.min())
            box = (x, y, int(columns.max()) + 1 - x, int(rows.max()) + 1 - y)
            objects.append(Placed(kind, box, len(rows), many))
        return tuple(objects)


def render(drawing: Drawing, subset: Subset, rng: np.random.Generator) -> Scene:
    """Draws one scene.

    Args:
        drawing: Sizes and shares.
        subset: Class frequencies.
        rng: The scene's own generator; nothing else decides what the scene shows.
    """
    ground, colour = background(rng, drawing.side, drawing.style)
    canvas = _Canvas(ground, drawing.visible_share)
    weights = np.array([subset.frequencies[kind.name] for kind in drawing.classes])
    if rng.random() >= drawing.empty_share:
        if rng.random() < drawing.crowd_share:
            kind = drawing.classes[_pick(rng, weights)]
            stamp = crowd(rng, kind, drawing.crowd_member, colour, drawing.style)
            canvas.place(rng, stamp, kind, crowd=True)
        for _ in range(1 + _pick(rng, np.array(drawing.counts))):
            kind = drawing.classes[_pick(rng, weights)]
            sides = drawing.small if rng.random() < drawing.small_share else drawing.large
            stamp = single(rng, kind, sides, colour, drawing.style)
            canvas.place(rng, stamp, kind, crowd=False)
    return Scene(noise(rng, canvas.pixels), canvas.placed())


def _pick(rng: np.random.Generator, weights: NDArray[np.float64]) -> int:
    """An index drawn in proportion to ``weights``."""
    edges = np.cumsum(weights)
    return int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))
