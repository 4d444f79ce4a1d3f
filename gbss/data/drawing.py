"""What to draw: the parameters of an embedded data set. It knows nothing of labels or groups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Shape = Literal["disc", "square", "triangle", "cross", "diamond", "hourglass"]
Texture = Literal["solid", "vertical", "horizontal", "checker"]
Colour = Literal["red", "green", "blue"]
Style = Literal["hatched"]

GENERATOR = 1
"""Version of the generator: goes up whenever the same `Drawing` gives other pixels or boxes."""


@dataclass(frozen=True)
class ObjectClass:
    """One class of the vocabulary: a shape with a texture, and a colour if that matters.

    Attributes:
        name: Class name, as in the annotation file.
        category_id: COCO category id; the ids of a vocabulary may have gaps.
        shape: Outline of the object.
        texture: One colour, or stripes or squares of two colours.
        colour: Which channel dominates its colour, its second colour then being a grey; None:
            random colours.
    """

    name: str
    category_id: int
    shape: Shape
    texture: Texture
    colour: Colour | None = None


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
class Federation:
    """Annotation as in LVIS: each image is annotated for some of the classes only.

    Attributes:
        annotated: Share of the classes in an image that are annotated there.
        partly: Share of those that are not exhaustively annotated: about half of their boxes stay.
        lacking: Share of the classes an image does not hold that it is known to lack.
    """

    annotated: float
    partly: float
    lacking: float


@dataclass(frozen=True)
class Drawing:
    """Everything that determines an embedded data set, to the last pixel.

    Attributes:
        classes: Vocabulary, by ascending category id.
        train: Train subset.
        val: Validation subset; None where only train is needed.
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
        style: None: blotchy backgrounds, any colours. ``hatched``: hatched backgrounds, objects
            with a dark outline in few, strong colours.
        federation: How much of it is annotated; None: everything.
        source: A second data set that belongs to it, drawn into the folder ``source``.
    """

    classes: tuple[ObjectClass, ...]
    train: Subset
    val: Subset | None = None
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
    style: Style | None = None
    federation: Federation | None = None
    source: Drawing | None = None

    def __post_init__(self) -> None:
        ids = [each.category_id for each in self.classes]
        names = {each.name for each in self.classes}
        if ids != sorted(set(ids)) or len(names) != len(ids):
            raise ValueError("classes need unique names and ascending category ids")
        for subset in (self.train, self.val):
            if subset is not None and set(subset.frequencies) != names:
                raise ValueError("frequencies need exactly one entry per class")

    def without(self, names: Collection[str]) -> Drawing:
        """The same drawing with some classes left out."""
        left = tuple(kind for kind in self.classes if kind.name not in names)

        def of(subset: Subset) -> Subset:
            kept = {kind.name: subset.frequencies[kind.name] for kind in left}
            return replace(subset, frequencies=kept)

        val = None if self.val is None else of(self.val)
        return replace(self, classes=left, train=of(self.train), val=val)

    def digest(self) -> str:
        """SHA-256 of all parameters and of the generator's version; written beside the images."""
        content = asdict(self, dict_factory=_without_none)
        text = json.dumps({"generator": GENERATOR, **content}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _without_none(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    """A new kind of choice leaves the digests of drawings that do not make it as they were."""
    return {name: value for name, value in entries if value is not None}
