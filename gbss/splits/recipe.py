"""The paper's rule for a split, as parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml


@dataclass(frozen=True)
class Target:
    """What the released code states of a class in the labeled images: images, maybe boxes."""

    images: int
    boxes: int | None = None


@dataclass(frozen=True)
class Recipe:
    """How to divide the train images into labeled and unlabeled ones.

    Labeled = base images with their majority annotations only, plus few-shot images with all their
    annotations. Source: released code, tools/split_dataset_coco*.py.

    Attributes:
        minority: Names of the minority classes; all others are majority.
        share: Share of the images with a majority class that become base images.
        shots: Least number of boxes per minority class in the few-shot images.
        cap: Few-shot images that take a minority class over this number of boxes are avoided where
            possible; None takes them as they come.
        seed: Seed of the draw.
        targets: Class name → counts of the authors' own split, to compare with; they do not
            influence the draw.
    """

    minority: tuple[str, ...]
    share: float = 0.1
    shots: int = 10
    cap: int | None = None
    seed: int = 0
    targets: Mapping[str, Target] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError("share must lie above 0, and be at most 1")
        if self.shots < 1 or (self.cap is not None and self.cap < self.shots):
            raise ValueError("needs 1 <= shots <= cap")
        if len(set(self.minority)) != len(self.minority):
            raise ValueError("minority names a class twice")

    def to_yaml(self) -> str:
        """What determines the draw, as the text of ``recipe.yaml``."""
        content = {
            "share": self.share,
            "shots": self.shots,
            "cap": self.cap,
            "seed": self.seed,
            "minority": list(self.minority),
        }
        return yaml.safe_dump(content, sort_keys=False)
