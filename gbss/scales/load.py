"""Reads and checks scale files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gbss import tasks
from gbss.errors import Faults, fail, nearest
from gbss.scales.parts import Batch, Job, MethodWindows, Optimizer, Schedule
from gbss.scales.scale import Scale
from gbss.schema import WORKFLOW, check_schema, read_yaml

SEEDS = 2**32
"""Seeds are below this, NumPy's limit."""


def load_scale(name: str, task: str | None = None) -> Scale:
    """Reads and checks a scale.

    Args:
        name: ``demo`` for ``workflow/config/demo.yaml``, the path of a file of the user's own, or
            one of the user's own tasks for the scale in its file.
        task: A task that takes the place of those in the file.

    Raises:
        GbssError: With every fault of the file.
    """
    folder = WORKFLOW / "config"
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if path.parent == folder and not path.exists():
        path, raw = _own(name)
    else:
        raw = read_yaml(path, what="scale")
        check_schema(raw, read_yaml(WORKFLOW / "config.schema.yaml", what="schema"), source=path)
    if task is not None:
        here = {paper: other for paper, other in raw["tasks"].items() if other == task}
        raw["tasks"] = here or {tasks.stands_for(tasks.get(task)): task}
        raw["replaced"] = task
    with Faults() as faults:
        _check_name(faults, raw["scale"], path)
        _check_tasks(faults, raw, path)
        _check_numbers(faults, raw, path)
    return Scale(
        **(
            raw
            | {
                "seeds": tuple(raw["seeds"]),
                "schedule": Schedule(**_fixed(raw["schedule"])),
                "optimizer": Optimizer(**raw["optimizer"]),
                "method": MethodWindows(**raw["method"]),
                "batch": Batch(**raw["batch"]),
                "resources": {rule: Job(**job) for rule, job in raw["resources"].items()},
                "changes": {
                    task: {name: _fixed(values) for name, values in parts.items()}
                    for task, parts in raw.get("changes", {}).items()
                },
            }
        )
    )


def with_seeds(scale: Scale, chosen: object) -> Scale:
    """A scale with some of its seeds only: ``1``, ``1,2`` or a list.

    Tables still know how many there should be: a row says that it has two of three.

    Raises:
        GbssError: It is no such list, or a seed is none of the scale's.
    """
    listed = chosen if isinstance(chosen, list) else str(chosen).split(",")
    seeds = [str(seed).strip() for seed in listed]
    known = [str(seed) for seed in scale.seeds]
    if wrong := [text for text in seeds if text not in known]:
        raise fail(
            "seeds",
            found=", ".join(map(repr, wrong)),
            expected=f"some of the scale's: {','.join(known)}",
            fix=f"leave others out, or add them to 'seeds' of the scale {scale.scale!r}",
        )
    return replace(scale, seeds=tuple(seed for seed in scale.seeds if str(seed) in seeds))


def _fixed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


def _own(name: str) -> tuple[Path, dict[str, Any]]:
    """The scale in the file of one of the user's own tasks."""
    if name not in tasks.own.names():
        folder = WORKFLOW / "config"
        known = [*(file.stem for file in folder.glob("*.yaml")), *tasks.own.names()]
        raise fail(
            f"scale {name!r}",
            found="no such file in workflow/config, nor a task of your own",
            expected=nearest(name, known),
            fix="name a known scale or give the path of a file of your own",
        )
    follows = {"scale": name, "tasks": {tasks.stands_for(tasks.get(name)): name}, "roots": {}}
    return tasks.own.path_of(name), tasks.own.load_training(name) | follows


def _check_name(faults: Faults, name: str, path: Path) -> None:
    """No file may pass for another scale: the name stands in every path and caption."""
    where, folder = f"{path}: scale", WORKFLOW / "config"
    if path.resolve().parent == folder:
        if name != path.stem:
            fix = "name the scale as its file"
            faults.add(where, found=repr(name), expected=repr(path.stem), fix=fix)
    elif name in (known := {file.stem for file in folder.glob("*.yaml")}):
        expected = f"a name of its own, none of {', '.join(sorted(known))}"
        faults.add(where, found=repr(name), expected=expected, fix="give the scale another name")


def _check_tasks(faults: Faults, raw: Mapping[str, Any], path: Path) -> None:
    """Every task is known; that of the pre-training is embedded."""
    named = [(f"{part}.{key}", key) for part in ("roots", "changes") for key in raw.get(part, {})]
    for key, value in raw["tasks"].items():
        named += [(f"tasks.{key}", key), (f"tasks.{key}", value)]
    if "task" in raw["pretraining"]:
        named.append(("pretraining.task", raw["pretraining"]["task"]))
    for key, task in named:
        if task not in tasks.names():
            expected, fix = nearest(task, tasks.names()), "name a task of gbss/tasks"
            faults.add(f"{path}: {key}", found=repr(task), expected=expected, fix=fix)
        elif key == "pretraining.task" and tasks.get(task).drawing is None:
            embedded = [name for name in tasks.names() if tasks.get(name).drawing is not None]
            expected = f"an embedded task: {', '.join(embedded)}"
            fix = "name one of these, or give a 'checkpoint'"
            faults.add(f"{path}: {key}", found=repr(task), expected=expected, fix=fix)


def _check_numbers(faults: Faults, raw: Mapping[str, Any], path: Path) -> None:
    """What a schema cannot say: seeds that NumPy takes, a schedule that fits into its run."""
    seeds = [("seeds", seed) for seed in raw["seeds"]]
    seeds.append(("pretraining.seed", raw["pretraining"].get("seed", 0)))
    for key, seed in seeds:
        if seed >= SEEDS:
            fix = "use a smaller seed"
            faults.add(f"{path}: {key}", found=str(seed), expected=f"below {SEEDS}", fix=fix)
    _check_schedule(faults, raw["schedule"], f"{path}: schedule")
    for task, parts in raw.get("changes", {}).items():
        if "schedule" in parts:
            where = f"{path}: changes.{task}.schedule"
            _check_schedule(faults, raw["schedule"] | parts["schedule"], where)


def _check_schedule(faults: Faults, schedule: Mapping[str, Any], where: str) -> None:
    last, decay, fix = schedule["iterations"], schedule["decay"], "correct the schedule"
    if schedule["warmup"] > last:
        expected, found = f"at most the {last} iterations of the run", str(schedule["warmup"])
        faults.add(f"{where}.warmup", found=found, expected=expected, fix=fix)
    if decay != sorted(set(decay)) or any(step >= last for step in decay):
        expected = f"ascending, all below the {last} iterations of the run"
        faults.add(f"{where}.decay", found=str(decay), expected=expected, fix=fix)
    validation, saved = schedule.get("validation_interval", 0), schedule["checkpoint_interval"]
    if validation % saved:
        # Wall time may end while the teacher looks at images; then nothing is lost.
        expected = f"a multiple of checkpoint_interval, {saved}"
        faults.add(
            f"{where}.validation_interval", found=str(validation), expected=expected, fix=fix
        )
