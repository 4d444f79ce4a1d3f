"""The user's own tasks: a file each under ``workflow/tasks``, which holds a scale for it, too."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from gbss.errors import Faults, fail
from gbss.schema import WORKFLOW, check_schema, read_yaml
from gbss.splits.recipe import Recipe
from gbss.tasks.base import Files, Pool, Task

FOLDER = Path("workflow/tasks")
"""Where the files are, relative to the working directory, as build/ and splits/ are."""

NAME = re.compile(r"[a-z][a-z0-9-]*")
"""What a task may be called: it stands in paths, targets and captions."""

GROUPS = (("majority", "minority"), ("rare", "common", "frequent"))
"""The groups that the paper's tables have."""

NOT_IN_TASKS = ("scale", "tasks", "roots")
"""Keys of a scale that follow from the task."""


def names() -> tuple[str, ...]:
    """The names of the tasks that have a file."""
    found = (path.stem for path in FOLDER.glob("*.yaml"))
    return tuple(sorted(name for name in found if NAME.fullmatch(name)))


def path_of(name: str) -> Path:
    """The file of a task."""
    return FOLDER / f"{name}.yaml"


def load(name: str) -> Task:
    """Reads and checks a task.

    Raises:
        GbssError: Everything that is wrong with its file.
    """
    return _load(path_of(name))[0]


def load_training(name: str) -> dict[str, Any]:
    """The settings of a scale in the file of a task, without those that follow from the task.

    Raises:
        GbssError: Everything that is wrong with its file.
    """
    return copy.deepcopy(_load(path_of(name))[1])


def task_schema() -> dict[str, Any]:
    """What a file may hold: the schema of tasks, with that of scales for the training."""
    schema: dict[str, Any] = read_yaml(WORKFLOW / "task.schema.yaml", what="schema")
    scale: dict[str, Any] = read_yaml(WORKFLOW / "config.schema.yaml", what="schema")
    schema["$defs"] |= scale["$defs"]
    scale["required"] = [key for key in scale["required"] if key not in NOT_IN_TASKS]
    for key in NOT_IN_TASKS:
        del scale["properties"][key]
    schema["properties"]["training"] = {
        key: scale[key] for key in ("type", "additionalProperties", "required", "properties")
    }
    return schema


def _load(path: Path) -> tuple[Task, dict[str, Any]]:
    stat = path.stat()
    return _read(path, (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=64)
def _read(path: Path, _stamp: tuple[int, ...]) -> tuple[Task, dict[str, Any]]:
    """Task and training in a file; a changed file, or one in another folder, is read again."""
    raw = read_yaml(path, what="task")
    check_schema(raw, task_schema(), source=path)
    return parse(path.stem, raw["task"], str(path)), raw["training"]


def parse(name: str, entry: Mapping[str, Any], where: str) -> Task:
    """The task that a file describes.

    Args:
        name: Its name.
        entry: What the file has under ``task``, which keeps to the schema.
        where: The file, for the messages.

    Raises:
        GbssError: Everything that a schema cannot say.
    """
    groups = _check(name, entry, where)
    files = entry["files"]
    drawn = "train" in files
    # Where nothing is drawn, groups may change and the split, with all that was trained, stays.
    if drawn:
        recipe = Recipe(groups.get("minority", ()), groups=groups, **entry["recipe"])
    else:
        recipe = Recipe(minority=())
    return Task(
        name=name,
        title=entry["title"],
        groups=groups,
        classes=tuple(entry["classes"]),
        recipe=recipe,
        protocol=entry.get("protocol", "coco"),
        drawing=None,
        files=Files(
            train=files["train" if drawn else "labeled"],
            train_images=files["train_images" if drawn else "labeled_images"],
            val=files["val"],
            val_images=files["val_images"],
        ),
        root=Path(),
        pool=None if drawn else Pool(files["unlabeled_images"], files.get("unlabeled")),
    )


def _check(name: str, entry: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """The classes of each group; every fault of a file that keeps to the schema."""
    if not NAME.fullmatch(name):
        raise fail(
            where,
            found=f"the name {name!r}",
            expected="small letters, digits and hyphens, a letter first",
            fix="rename the file",
        )
    members: dict[str, list[str]] = defaultdict(list)
    for class_, group in entry["classes"].items():
        members[group].append(class_)
    order = next((each for each in GROUPS if set(each) == set(members)), ())
    recipe, drawn = entry.get("recipe"), "train" in entry["files"]
    with Faults() as faults:
        if not order:
            faults.add(
                f"{where}: task.classes",
                found=f"classes of {', '.join(members) or 'no group'}",
                expected=f"classes of each of {' or of each of '.join(map(', '.join, GROUPS))}",
                fix="correct the groups behind the classes",
            )
        if drawn != (recipe is not None):
            faults.add(
                f"{where}: task.recipe",
                found="no recipe" if drawn else "a recipe beside separate labeled images",
                expected="a recipe if the split is drawn from one file, none otherwise",
                fix="add the recipe" if drawn else "remove the recipe",
            )
        elif recipe and recipe.get("cap") is not None and recipe["cap"] < recipe["shots"]:
            faults.add(
                f"{where}: task.recipe.cap",
                found=str(recipe["cap"]),
                expected=f"at least the {recipe['shots']} shots",
                fix="raise the cap or leave it out",
            )
    return {group: tuple(members[group]) for group in order}
