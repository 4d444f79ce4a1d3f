"""Commands that bring data: `gbss draw`, `gbss fetch`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gbss import tasks
from gbss.cli.choices import Commands
from gbss.errors import fail


def add_to(commands: Commands) -> None:
    """Adds the commands to the parser."""
    command = commands.add_parser("draw", help="draw the embedded data of a task")
    command.add_argument("task")
    command.add_argument("--root", type=Path, help="default: build/data/TASK")
    command.set_defaults(command=_draw)

    command = commands.add_parser("fetch", help="fetch what is missing of a task's data")
    command.add_argument("task")
    command.add_argument("--root", type=Path, required=True, help="folder for the task's files")
    command.set_defaults(command=_fetch)


def _draw(options: argparse.Namespace) -> None:
    from gbss.data import draw

    task = tasks.get(options.task)
    if task.drawing is None:
        raise fail(
            f"task {task.name!r}",
            found="a task whose data are not embedded",
            expected="an embedded task",
            fix="fetch its files and name their folder under 'roots' of the scale",
        )
    draw(task.drawing, options.root or Path("build/data") / task.name)


def _fetch(options: argparse.Namespace) -> None:
    from gbss.data.fetch import fetch

    task = tasks.get(options.task)
    if not task.sources:
        public = [name for name in tasks.names() if tasks.get(name).sources]
        raise fail(
            f"task {task.name!r}",
            found="a task with nothing to fetch: its data are embedded or your own",
            expected=f"a task with public data: {', '.join(public)}",
            fix=f"gbss draw {task.name}" if task.drawing else "use the data where they are",
        )
    report = Path("build/fetch") / f"{task.name}-missing.txt"
    fetch(task.sources, options.root, report=report)
    print(f"{task.name}: the data under {options.root} are whole")
