"""What to draw: the parameters of an embedded data set. It knows nothing of labels or groups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

Shape = Literal["disc", "square", "triangle", "cross"]
Texture = Literal["solid", "vertical", "horizontal"]

GENERATOR = 1
"""Version of the generator: goes up whenever the same `Drawing` gives other pixels or boxes."""


@dataclass(frozen=True)
class ObjectClass:
    """One class of the vocabulary: a shape with a texture; its colours are always random.

    Attributes:
        name: Class name, as in the annotation file.
        category_id: COCO category id; the ids of a vocabulary may have gaps.
        shape: Outline of the object.
        texture: One colour, or stripes of two colours.
    """

    name: str
    category_id: int
    shape: Shape
    texture: Texture


@dataclass(frozen=True)
class Subset:
    """Train or val.

    Attributes:
        scenes: Number of images.
        frequencies: Class name → relative frequency of its objects (need not sum to one).
    """

    scenes: int
    frequencies: Mapping[str, float]


@dataclass(frozen=True)
class Drawing:
    """Everything that determines an embedded data set, to the last pixel.

    Attributes:
        classes: Vocabulary, by ascending category id.
        train: Train subset.
        val: Validation subset.
        seed: Seed of every scene.
        side: Width and height of a scene in pixels.
        small: Smallest and largest side of a small object in pixels.
        large: The same for a large object.
        small_share: Share of small objects.
        counts: Relative frequencies of scenes with 1, 2, 3, ... objects.
        empty_share: Share of scenes without any object.
        crowd_share: Share of the other scenes that also have a crowd, a cluster of small objects
            of one class that is annotated with a single box.
        crowd_member: Smallest and largest side of one object of a crowd in pixels.
        visible_share: No object ever shows less than this share of its pixels; the rest may be
            covered by later objects or lie outside the image.
    """

    classes: tuple[ObjectClass, ...]
    train: Subset
    val: Subset
    seed: int = 0
    side: int = 128
    small: tuple[int, int] = (14, 30)
    large: tuple[int, int] = (31, 60)
    small_share: float = 0.5
    counts: tuple[float, ...] = (2.0, 3.0, 4.0, 3.0, 2.0, 1.0)
    empty_share: float = 0.03
    crowd_share: float = 0.04
    crowd_member: tuple[int, int] = (10, 14)
    visible_share: float = 0.6

    def __post_init__(self) -> None:
        ids = [each.category_id for each in self.classes]
        names = {each.name for each in self.classes}
        if ids != sorted(set(ids)) or len(names) != len(ids):
            raise ValueError("classes need unique names and ascending category ids")
        for subset in (self.train, self.val):
            if set(subset.frequencies) != names:
                raise ValueError("frequencies need exactly one entry per class")

    def without(self, names: Collection[str]) -> Drawing:
        """The same drawing with some classes left out."""
        left = tuple(kind for kind in self.classes if kind.name not in names)
        train, val = (
            replace(subset, frequencies={kind.name: subset.frequencies[kind.name] for kind in left})
            for subset in (self.train, self.val)
        )
        return replace(self, classes=left, train=train, val=val)

    def digest(self) -> str:
        """SHA-256 of all parameters and of the generator's version; written beside the images."""
        text = json.dumps({"generator": GENERATOR, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
