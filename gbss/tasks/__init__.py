"""The sub-tasks: one module each, found by walking this folder for ``TASKS``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from gbss.errors import fail, nearest
from gbss.tasks.base import Task

__all__ = ["Task", "get", "names"]


@cache
def _tasks() -> dict[str, Task]:
    """All tasks by name, in the order of modules and within them."""
    found: dict[str, Task] = {}
    for module in pkgutil.iter_modules(__path__):
        for task in getattr(importlib.import_module(f"{__name__}.{module.name}"), "TASKS", ()):
            if task.name in found:
                raise ValueError(f"two tasks are called {task.name!r}")
            found[task.name] = task
    return found


def names() -> tuple[str, ...]:
    """The names of all tasks."""
    return tuple(_tasks())


def get(name: str) -> Task:
    """The task of that name.

    Raises:
        GbssError: There is none; the message names the nearest one.
    """
    try:
        return _tasks()[name]
    except KeyError:
        raise fail(
            "task", found=repr(name), expected=nearest(name, names()), fix="correct the name"
        ) from None
