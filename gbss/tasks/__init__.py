"""The sub-tasks: a module each, found by walking this folder for ``TASKS``, and the user's own."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from gbss.errors import fail, nearest
from gbss.tasks import own
from gbss.tasks.base import Task

__all__ = ["Task", "get", "names", "stands_for"]


@cache
def _tasks() -> dict[str, Task]:
    """The project's tasks by name, in the order of modules and within them."""
    found: dict[str, Task] = {}
    for module in pkgutil.iter_modules(__path__):
        for task in getattr(importlib.import_module(f"{__name__}.{module.name}"), "TASKS", ()):
            if task.name in found:
                raise ValueError(f"two tasks are called {task.name!r}")
            found[task.name] = task
    return found


def names() -> tuple[str, ...]:
    """The names of all tasks, the user's own last.

    Raises:
        GbssError: One of the user's own has the name of another task.
    """
    own_names = own.names()
    for name in own_names:
        if name in _tasks():
            raise fail(
                str(own.path_of(name)),
                found=f"a task called {name!r}, as one of the project",
                expected="a name of its own",
                fix="rename the file",
            )
    return (*_tasks(), *own_names)


def get(name: str) -> Task:
    """The task of that name.

    Raises:
        GbssError: There is none; the message names the nearest one. Or everything that is wrong
            with the file of one of the user's own.
    """
    known = names()
    if name in _tasks():
        return _tasks()[name]
    if name in known or own.path_of(name).is_file():
        return own.load(name)
    raise fail("task", found=repr(name), expected=nearest(name, known), fix="correct the name")


def stands_for(task: Task) -> str:
    """The task of the paper in whose tables a task can stand: itself, or the first like it.

    Tasks are alike that have the same groups, and a second data set both or neither.

    Raises:
        GbssError: There is none.
    """
    like = [
        name
        for name, other in _tasks().items()
        if other.drawing is None
        and tuple(other.groups) == tuple(task.groups)
        and (other.mapped is None) == (task.mapped is None)
    ]
    if not like:
        raise fail(
            f"task {task.name!r}",
            found=f"the groups {', '.join(task.groups)}",
            expected="groups of a task of the paper",
            fix="use a task with these",
        )
    return task.name if task.name in like else like[0]
