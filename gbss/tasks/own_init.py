"""`gbss task init`: looks at the user's data and plans a task; everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from gbss.errors import Fault, GbssError
from gbss.splits.annotations import Annotations, read
from gbss.splits.build import Split, build_split
from gbss.splits.coco_files import seen_boxes
from gbss.splits.files import boxes_per_class, images_per_class
from gbss.splits.folder import read_folder
from gbss.splits.lists import SHOWN_IDS
from gbss.splits.pool import add_pool, pool_split
from gbss.splits.recipe import Recipe
from gbss.tasks.own_file import ClassFacts, Plan
from gbss.tasks.own_groups import Grouping, group_classes
from gbss.tasks.own_training import DeviceName, Training

Value = TypeVar("Value")


@dataclass(frozen=True)
class Draw:
    """How labeled images are drawn from one file: see `gbss.splits.recipe.Recipe`."""

    share: float
    shots: int
    seed: int

    def recipe(self) -> dict[str, int | float]:
        """As in the file."""
        return {"share": self.share, "shots": self.shots, "seed": self.seed}


@dataclass(frozen=True)
class Request:
    """What the user says of the data.

    Attributes:
        name: Of the task.
        title: For captions; None: name and number of classes.
        labeled: COCO-format file of the labeled images, or of all of them.
        labeled_images: Folder of its images.
        draw: How to draw the labeled images from the file; None: all of them are labeled.
        unlabeled: COCO-format file of the unlabeled images; None: all images in their folder.
        unlabeled_images: Their folder; None where labeled images are drawn.
        val: COCO-format file of the validation images.
        val_images: Their folder.
        grouping: How classes are grouped.
        device: What is trained on.
    """

    name: str
    title: str | None
    labeled: Path
    labeled_images: Path
    draw: Draw | None
    unlabeled: Path | None
    unlabeled_images: Path | None
    val: Path
    val_images: Path
    grouping: Grouping
    device: DeviceName

    @property
    def files(self) -> dict[str, str]:
        """As under ``task.files`` in the file."""
        role = "train" if self.draw else "labeled"
        named = {
            role: self.labeled,
            f"{role}_images": self.labeled_images,
            "unlabeled": self.unlabeled,
            "unlabeled_images": self.unlabeled_images,
            "val": self.val,
            "val_images": self.val_images,
        }
        return {key: str(path) for key, path in named.items() if path is not None}


@dataclass
class _Findings:
    """What is wrong, and what the user should know."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, function: Callable[[], Value]) -> Value | None:
        """What a function gives; None if it found faults."""
        try:
            return function()
        except GbssError as error:
            self.faults += error.faults
            return None


def plan(request: Request) -> Plan:
    """Reads the data and plans the task.

    Raises:
        GbssError: Everything that is wrong with the data.
    """
    found = _Findings()
    train = found.attempt(lambda: read(request.labeled))
    val = found.attempt(lambda: read(request.val))
    if train is not None and val is not None:
        _compare_classes(train, val, found)
    groups = None
    if train is not None:
        groups = found.attempt(lambda: group_classes(train, request.grouping))
        _check_images(train, request.labeled_images, _option(request), found)
    if val is not None:
        _check_images(val, request.val_images, "--val-images", found)
    whole = None if train is None else _whole(request, train, found)
    split = None
    if groups is not None and whole is not None:
        minority = groups.get("minority", ()) if request.draw else ()
        split = found.attempt(lambda: _split(request, whole, minority))
    if found.faults:
        raise GbssError(*found.faults)
    assert train is not None and val is not None  # noqa: PT018  (there were no faults)
    assert groups is not None and whole is not None and split is not None  # noqa: PT018
    seen = seen_boxes(split, whole) & whole.counted
    group_of = {name: group for group, names in groups.items() for name in names}
    counts = (
        images_per_class(train, train.counted),
        boxes_per_class(train, train.counted),
        boxes_per_class(whole, seen),
        boxes_per_class(val, val.counted),
    )
    classes = [
        ClassFacts(name, group_of[name], *map(int, numbers))
        for name, *numbers in zip(train.names, *counts, strict=True)
    ]
    labeled = len(split.base) + len(split.few_shot)
    with_box = len(np.unique(whole.box_images[seen]))
    _look_at(classes, labeled - with_box, found)
    return Plan(
        name=request.name,
        title=request.title or f"{request.name} ({len(classes)} classes)",
        files=request.files,
        classes=classes,
        grouping=request.grouping.text,
        recipe=request.draw.recipe() if request.draw else None,
        protocol="coco" if val.negatives is None else "lvis",
        training=Training(request.device, with_box, len(split.unlabeled)),
        labeled=labeled,
        few_shot=len(split.few_shot),
        val=len(val.image_ids),
        notes=found.notes,
    )


def _option(request: Request) -> str:
    return "--train-images" if request.draw else "--labeled-images"


def _whole(request: Request, train: Annotations, found: _Findings) -> Annotations | None:
    """Labeled and unlabeled images; those to draw from as they are."""
    folder = request.unlabeled_images
    if folder is None:
        return train
    if request.unlabeled is None:
        pool = found.attempt(lambda: read_folder(folder, found.notes.append))
    else:
        path = request.unlabeled
        pool = found.attempt(lambda: read(path, unlabeled=True))
        if pool is not None:
            if len(pool.box_ids):
                _compare_classes(train, pool, found)
            _check_images(pool, folder, "--unlabeled-images", found)
    if pool is None or found.faults:
        return None
    folders = request.labeled_images, folder
    return found.attempt(lambda: add_pool(train, pool, folders, found.notes.append))


def _split(request: Request, whole: Annotations, minority: tuple[str, ...]) -> Split:
    """The split that the task will have."""
    if request.draw is None:
        return pool_split(whole, Recipe(minority=()))
    return build_split(whole, Recipe(minority=minority, **vars(request.draw)))


def _compare_classes(train: Annotations, other: Annotations, found: _Findings) -> None:
    """Classes agree by name and id, or detections would be held against other classes."""
    ours, theirs = (
        dict(zip(each.category_ids.tolist(), each.names, strict=True)) for each in (train, other)
    )
    for id_ in sorted(ours.keys() | theirs.keys()):
        if ours.get(id_) != theirs.get(id_):
            found.faults.append(
                Fault(
                    f"{other.path}: category {id_}",
                    found=repr(theirs[id_]) if id_ in theirs else "no such category",
                    expected=f"{ours[id_]!r}, as in {train.path}"
                    if id_ in ours
                    else f"a category of {train.path}",
                    fix="write the same list 'categories' into both files",
                )
            )


def _check_images(annotations: Annotations, folder: Path, option: str, found: _Findings) -> None:
    """Every image is there."""
    names = annotations.file_names
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        found.faults.append(
            Fault(
                f"{annotations.path}: images",
                found=f"{len(missing):,} of {len(names):,} files are missing, the first is "
                f"{folder / missing[0]}",
                expected=f"every image in {folder}",
                fix=f"name the folder of the images with {option}, or fetch them",
            )
        )


def _look_at(classes: Sequence[ClassFacts], boxless: int, found: _Findings) -> None:
    """Notes what is no fault and may surprise."""
    if boxless:
        found.notes.append(f"{boxless:,} labeled images without a box: training passes over them")
    for what, names in (
        (
            "without a labeled box, which nothing can learn; their AP is 0",
            [each.name for each in classes if not each.labeled_boxes],
        ),
        (
            "without a validation box, which are left out of every mean",
            [each.name for each in classes if not each.val_boxes],
        ),
    ):
        if names:
            more = ", ..." if len(names) > SHOWN_IDS else ""
            shown = ", ".join(names[:SHOWN_IDS]) + more
            found.notes.append(f"{len(names)} classes {what}: {shown}")
