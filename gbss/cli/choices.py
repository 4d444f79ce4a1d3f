"""What commands have in common: rows, tables and tasks by name."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from gbss import tasks
from gbss.errors import fail, nearest

if TYPE_CHECKING:
    from gbss.scales import Scale
    from gbss.tasks import Task

Entry = TypeVar("Entry")


class Commands(Protocol):
    """What a module adds its commands to."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:  # noqa: A002
        """Adds one command and gives the parser of its arguments."""


def named(kind: str, name: str, known: Mapping[str, Entry]) -> Entry:
    """A row or table of the experiments."""
    if name not in known:
        fix = f"name a {kind} of workflow/experiments.yaml"
        raise fail(kind, found=repr(name), expected=nearest(name, known), fix=fix)
    return known[name]


def add_scale(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The options that say at which scale, and on what."""
    text = "demo, smoke, paper, a task of your own or a YAML file"
    command.add_argument("--scale", required=required, help=text)
    command.add_argument("--task", help="a task that takes the place of those of the scale")


def scale_of(options: argparse.Namespace) -> Scale:
    """The scale that these options name."""
    from gbss.scales import load_scale

    return load_scale(options.scale, options.task)


def stand_in(scale: Scale, what: str, task: str) -> Task:
    """The task that stands for another at a scale."""
    name = scale.task_of(task)
    if name is None:
        raise fail(
            what,
            found=f"the task {task!r}, which has no place at the scale {scale.scale!r}",
            expected=f"one of {', '.join(scale.tasks)}",
            fix="add it under 'tasks' of the scale",
        )
    return tasks.get(name)
