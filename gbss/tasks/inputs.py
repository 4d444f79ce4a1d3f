"""The annotation files of a task, as its split needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gbss.splits.annotations import Annotations, read
from gbss.splits.class_map import join, map_classes
from gbss.tasks.base import Task


def read_train(task: Task, root: Path, say: Callable[[str], None] = print) -> Annotations:
    """Reads what is divided into labeled and unlabeled images.

    Args:
        task: The task.
        root: Its data root.
        say: Takes a line on what a class map left out.

    Raises:
        GbssError: Everything that is wrong with a file.
    """
    train = _read(task, root / task.files.train)
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


def _read(task: Task, path: Path) -> Annotations:
    if task.tidy is None:
        return read(path, classes=task.classes)
    tidied = task.tidy(read(path))
    # Reading it again names the classes that are wrong.
    return tidied if tidied.names == task.classes else read(path, classes=task.classes)
