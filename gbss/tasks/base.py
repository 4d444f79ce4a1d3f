"""What a sub-task is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from gbss.data import Drawing
from gbss.data.sources import Source
from gbss.splits.annotations import Annotations
from gbss.splits.recipe import Recipe


@dataclass(frozen=True)
class Files:
    """Where a task's inputs lie under its data root; the defaults are those of embedded data.

    Attributes:
        train: Annotation file that the split is built from.
        train_images: Folder of its images.
        val: Annotation file that the detections are evaluated with.
        val_images: Folder of its images.
    """

    train: str = "train.json"
    train_images: str = "train"
    val: str = "val.json"
    val_images: str = "val"


@dataclass(frozen=True)
class Mapped:
    """A second data set, of other classes, all of whose images are labeled.

    The folders of both data sets lie under the data root, and file names are relative to it.

    Attributes:
        classes: Its class names by ascending category id.
        to: Each of them → the class of the task; None: it has none.
        train: Its annotation file.
        train_images: The folder of its images.
    """

    classes: tuple[str, ...]
    to: Mapping[str, str | None]
    train: str = "source/train.json"
    train_images: str = "source/train"


@dataclass(frozen=True)
class Pool:
    """Unlabeled images of their own: all images of the train file are labeled then.

    Attributes:
        images: Their folder.
        file: A COCO-format file that lists them; its boxes are hidden. None: all in the folder.
    """

    images: str
    file: str | None = None


@dataclass(frozen=True)
class Task:
    """One sub-task of the paper, an embedded one, or one of the user's own.

    Attributes:
        name: Name on the command line and in paths: ``mini-coco``.
        title: Name for people: ``mini-coco (embedded, 12 classes)``.
        groups: Group name → class names, in display order; together exactly the classes.
        classes: Class names by ascending category id; this order gives the labels in training.
        recipe: How the train images are split.
        protocol: Rules of the evaluation.
        drawing: How to draw the data of an embedded task; None where files come from data roots.
        files: Where the inputs lie under the data root.
        sources: Where they come from, for `gbss fetch`; empty for embedded and own data.
        mapped: A second data set, labeled in full, whose classes are mapped to those of the task.
        root: The data root, of own data; None: it depends on the scale.
        pool: Unlabeled images of their own, of own data.
        tidy: What is to be put right in the annotation files, if anything.
    """

    name: str
    title: str
    groups: Mapping[str, tuple[str, ...]]
    classes: tuple[str, ...]
    recipe: Recipe
    protocol: Literal["coco", "lvis"]
    drawing: Drawing | None
    files: Files = Files()
    sources: tuple[Source, ...] = ()
    mapped: Mapped | None = None
    root: Path | None = None
    pool: Pool | None = None
    tidy: Callable[[Annotations], Annotations] | None = None

    def __post_init__(self) -> None:
        grouped = [name for names in self.groups.values() for name in names]
        if Counter(grouped) != Counter(set(self.classes)) or len(grouped) != len(self.classes):
            raise ValueError(f"{self.name}: the groups must hold every class exactly once")
        if unknown := set(self.recipe.minority) - set(self.classes):
            raise ValueError(f"{self.name}: the recipe names unknown classes {sorted(unknown)}")

    def missing(self, root: Path) -> list[str]:
        """Which annotation files and image folders are not under a data root."""
        names = list(asdict(self.files).values())
        if self.mapped is not None:
            names += [self.mapped.train, self.mapped.train_images]
        if self.pool is not None:
            names += [self.pool.file or "", self.pool.images]
        # The folder of images is "" where file names are relative to the root itself.
        return [name for name in names if name and not (root / name).exists()]

    @property
    def division(self) -> str:
        """What decides how the train images are divided, as text: another one is another split."""
        text = self.recipe.to_yaml()
        more: dict[str, Any] = {}
        if self.recipe.groups:
            more["groups"] = {group: list(names) for group, names in self.recipe.groups.items()}
        if self.mapped is not None:
            more["mapped"] = dict(self.mapped.to)
        return text + yaml.safe_dump(more, sort_keys=False) if more else text

    @property
    def train_images(self) -> str:
        """The folder under the data root that file names of labeled images are relative to."""
        return self.files.train_images if self.mapped is None else ""

    @property
    def unlabeled_images(self) -> str:
        """The same of the unlabeled images."""
        return self.train_images if self.pool is None else self.pool.images
