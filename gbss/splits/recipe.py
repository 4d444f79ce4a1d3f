"""The paper's rule for a split, as parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import yaml

ROLES = ("labeled", "few-shot", "unlabeled")
"""What a file of the user can list the images of."""


@dataclass(frozen=True)
class Target:
    """What the released code states of a class in the labeled images: images, maybe boxes."""

    images: int
    boxes: int | None = None

    def scaled(self, factor: float, least: int) -> Target:
        """Both counts times a factor, rounded, and at least ``least``."""


        def part(value: int) -> int:
            return max(least, _rounded(value * factor))

        return Target(part(self.images), None if self.boxes is None else part(self.boxes))

    def deviation(self, images: int, boxes: int) -> tuple[str, str, str]:
        """How far counts are from these: images, images in percent, boxes; as text with a sign."""
        percent = f"{100 * (images - self.images) / self.images:+.2f}" if self.images else ""
        off = "" if self.boxes is None else f"{boxes - self.boxes:+d}"
        return f"{images - self.images:+d}", percent, off


@dataclass(frozen=True)
class GivenFile:
    """A list or annotation file of the user that says which images are labeled."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """How to divide the train images into labeled and unlabeled ones.

    Labeled = base images with their majority annotations only, plus few-shot images with all their
    annotations. Source: released code, tools/split_dataset_coco*.py. Which images are labeled
    follows from ``given`` if it is there, else from ``labeled`` and ``targets`` if they are, else
    from ``share``, ``shots`` and ``cap``.

    Attributes:
        minority: Names of the minority classes; all others are majority.
        share: Share of the images with a majority class that become base images.
        shots: Least number of boxes per minority class in the few-shot images.
        cap: Few-shot images that take a minority class over this number of boxes are avoided where
            possible; None takes them as they come.
        seed: Seed of the draw.
        targets: Class name → counts of the authors' own split. With ``labeled``, the draw comes as
            near to them as it can; otherwise they are there to compare with. Beside a data set that
            is labeled in full its images count, too.
        labeled: Number of labeled images to draw; None leaves it to share and shots. Without
            targets, and so without minority classes, they are drawn at random.
        factor: Below 1, ``labeled`` and ``targets`` are this part of the stated ones, for trying
            things on a smaller file: see `scaled`.
        given: Role → the user's file; nothing is drawn then.
        groups: Group → class names, as ``counts.csv`` says; empty: majority and minority.
    """

    minority: tuple[str, ...]
    share: float = 0.1
    shots: int = 10
    cap: int | None = None
    seed: int = 0
    targets: Mapping[str, Target] = field(default_factory=dict)
    labeled: int | None = None
    factor: float = 1.0
    given: Mapping[str, GivenFile] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError("share must lie above 0, and be at most 1")
        if self.shots < 1 or (self.cap is not None and self.cap < self.shots):
            raise ValueError("needs 1 <= shots <= cap")
        if len(set(self.minority)) != len(self.minority):
            raise ValueError("minority names a class twice")
        if self.labeled is not None and not set(self.minority) <= set(self.targets):
            raise ValueError("a number of labeled images needs a target for every minority class")

    @property
    def stated(self) -> bool:
        """Whether the draw aims at stated counts."""
        return self.labeled is not None and bool(self.targets) and not self.given

    def scaled(self, factor: float) -> Recipe:
        """The recipe for a smaller file: total and targets times a factor.

        Every minority class keeps at least one image. The draw comes as near as it can and says
        how near; only the total must be met.

        Args:
            factor: Above 0, at most 1, which changes nothing.
        """
        if not 0 < factor <= 1 or self.labeled is None or self.factor != 1:
            raise ValueError("only stated counts can be scaled, once, by 0 < factor <= 1")
        if factor == 1:
            return self
        targets = {
            name: target.scaled(factor, least=int(name in self.minority))
            for name, target in self.targets.items()
        }
        labeled = max(1, _rounded(self.labeled * factor))
        return replace(self, labeled=labeled, targets=targets, factor=factor)

    def to_yaml(self) -> str:
        """What determines which images are labeled, as the text of ``recipe.yaml``."""
        return yaml.safe_dump(self._content(), sort_keys=False)

    def _content(self) -> dict[str, object]:
        minority = list(self.minority)
        if self.given:
            given = {role: vars(file).copy() for role, file in self.given.items()}
            return {"source": "given", "given": given, "minority": minority}
        if self.labeled is None:
            numbers = {"share": self.share, "shots": self.shots, "cap": self.cap}
            return {**numbers, "seed": self.seed, "minority": minority}
        return {
            "source": "drawn",
            "labeled": self.labeled,
            "factor": self.factor,
            "seed": self.seed,
            "minority": minority,
            "targets": {name: vars(target).copy() for name, target in self.targets.items()},
        }


def _rounded(value: float) -> int:
    return int(value + 0.5)
