"""The annotation files of a task, as its split needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gbss.errors import Fault, GbssError
from gbss.splits.annotations import Annotations, check_images, read
from gbss.splits.class_map import join, map_classes, select
from gbss.splits.folder import read_folder
from gbss.splits.pool import add_pool
from gbss.tasks.base import Task


def read_train(task: Task, root: Path, say: Callable[[str], None] = print) -> Annotations:
    """Reads what is divided into labeled and unlabeled images.

    Args:
        task: The task.
        root: Its data root.
        say: Takes a line on what was left out.

    Raises:
        GbssError: Everything that is wrong with a file.
    """
    train = _read(task, root / task.files.train)
    if task.pool is not None:
        folders = root / task.train_images, root / task.unlabeled_images
        return add_pool(train, _read_pool(task, root, say), folders, say)
    if task.mapped is None:
        return train
    source = read(root / task.mapped.train, classes=task.mapped.classes)
    mapped = map_classes(source, task.mapped.to, task.classes, train.category_ids)
    dropped = ", ".join(f"{count} of {name!r}" for name, count in mapped.dropped.items())
    say(
        f"{task.name}: of {source.path.name}, boxes without a class here: {dropped or 'none'}; "
        f"images without a box left out: {mapped.emptied}"
    )
    return join(train, mapped.annotations, (task.files.train_images, task.mapped.train_images))


def read_val(task: Task, root: Path) -> Annotations:
    """Reads the annotations of the validation images.

    Raises:
        GbssError: Everything that is wrong with the file.
    """
    return _read(task, root / task.files.val)


def check_train_images(task: Task, root: Path, annotations: Annotations) -> None:
    """Opens every image of what `read_train` read.

    Raises:
        GbssError: Every image that cannot be used, see `check_images`.
    """
    parts = [(annotations, task.train_images)]
    if (pool := annotations.pool) is not None:
        parts = [
            (select(annotations, ~pool), task.train_images),
            (select(annotations, pool), task.unlabeled_images),
        ]
    faults: list[Fault] = []
    for part, folder in parts:
        try:
            check_images(part, root / folder)
        except GbssError as error:
            faults.extend(error.faults)
    if faults:
        raise GbssError(*faults)


def _read_pool(task: Task, root: Path, say: Callable[[str], None]) -> Annotations:
    """Reads the list of a task's unlabeled images, or makes one of the files in their folder."""
    if task.pool is None or task.pool.file is None:
        return read_folder(root / task.unlabeled_images, say)
    return read(root / task.pool.file, classes=task.classes, unlabeled=True)


def _read(task: Task, path: Path) -> Annotations:
    if task.tidy is None:
        return read(path, classes=task.classes)
    tidied = task.tidy(read(path))
    # Reading it again names the classes that are wrong.
    return tidied if tidied.names == task.classes else read(path, classes=task.classes)
