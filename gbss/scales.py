"""A scale: how large and on what the grid of rows is run. One file under ``workflow/config``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gbss import tasks
from gbss.errors import Faults, fail, nearest
from gbss.experiments import Row
from gbss.schema import WORKFLOW, check_schema, read_yaml

SEEDS = 2**32
"""Seeds are below this, NumPy's limit."""

NAMES = ("scale", "summary", "seeds", "tasks", "roots", "resources", "changes", "replaced")
"""Fields of a scale that no single run depends on."""


@dataclass(frozen=True)
class Schedule:
    """When things happen in a training run, in iterations.

    Attributes:
        iterations: Length of the run.
        warmup: Length of the linear learning-rate warm-up.
        decay: After each of these the learning rate is divided by ten.
        checkpoint_interval: A killed run loses at most so many.
        log_interval: A line of progress is written every so many.
    """

    iterations: int
    warmup: int
    decay: tuple[int, ...]
    checkpoint_interval: int
    log_interval: int


@dataclass(frozen=True)
class Optimizer:
    """SGD for the student, exponential moving average for the teacher.

    Attributes:
        learning_rate: Of the whole batch over all processes.
        momentum: Of SGD.
        weight_decay: Of SGD.
        teacher_momentum: Share of the teacher that is kept in each iteration.
    """

    learning_rate: float
    momentum: float
    weight_decay: float
    teacher_momentum: float


@dataclass(frozen=True)
class MethodWindows:
    """Lengths of the method as shares of the schedule, so that a shorter one keeps its proportions.

    Attributes:
        warmup: With class weights 1 and equal thresholds (paper, COCO: 4,000 of 180,000).
        matrix: Window of the running means, 1 / (1 - momentum) (release: 1,000 of 180,000).
        weights: Time constant of the class weights (release, COCO: 81 of 180,000).
        merge: Between two merges of the pool (release: 4,000 of 180,000).
        resample: Between two changes of the sampling (release, COCO: 16,000 of 180,000).
        burn_in: Before Unbiased Teacher's teacher begins (its original, COCO: 2,000 of 180,000).
    """

    warmup: float
    matrix: float
    weights: float
    merge: float
    resample: float
    burn_in: float = 2_000 / 180_000


@dataclass(frozen=True)
class Batch:
    """Images of one iteration: so many in each of ``parts`` equal parts.

    The processes share the parts; ``workers`` load images for each process (0: it loads itself).
    ``unlabeled_weight`` is the weight of the unlabeled losses against the labeled ones (Soft
    Teacher: 4); ``ratio`` says whether the number of labeled images of a part is ``fixed`` or
    ``drawn`` for each batch.
    """

    labeled: int
    unlabeled: int
    unlabeled_weight: float
    workers: int
    ratio: str = "fixed"
    parts: int = 1

    @property
    def size(self) -> int:
        """Images per part."""
        return self.labeled + self.unlabeled


@dataclass(frozen=True)
class Job:
    """What one job of a rule asks for on each of its nodes; ``runtime`` in minutes."""

    threads: int
    gpu: int
    mem_mb: int
    runtime: int
    nodes: int = 1
    processes: int | None = None

    @property
    def gpus(self) -> int:
        """On all nodes together."""
        return self.nodes * self.gpu

    @property
    def processes_per_node(self) -> int:
        """One for each GPU, if the scale does not say otherwise."""
        return self.processes or max(1, self.gpu)


@dataclass(frozen=True)
class Scale:
    """A checked scale file; the fields are described in ``workflow/config.schema.yaml``.

    ``replaced`` names the one task that was put in the place of those in the file (``--task``).
    """

    scale: str
    summary: str
    seeds: tuple[int, ...]
    tasks: Mapping[str, str]
    roots: Mapping[str, str]
    detector: str
    pretraining: Mapping[str, Any]
    schedule: Schedule
    optimizer: Optimizer
    method: MethodWindows
    batch: Batch
    resources: Mapping[str, Job]
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    replaced: str | None = None

    @property
    def place(self) -> Path:
        """Where its tables lie below those of all scales: never over those of another task."""
        return Path(self.scale, *([self.replaced] if self.replaced else []))

    def task_of(self, task: str) -> str | None:
        """The task that stands for ``task`` at this scale; None if it has no place here."""
        return self.tasks.get(task)

    def of(self, task: str) -> Scale:
        """The scale with its changes for a task that rows name (the paper's, not its stand-in)."""
        parts = {
            name: replace(getattr(self, name), **values)
            for name, values in self.changes.get(task, {}).items()
        }
        return replace(self, **parts, changes={})

    def root(self, task: str) -> Path:
        """The folder with a task's annotation files and images.

        Raises:
            GbssError: The task has files of its own, and the scale does not say where they are.
        """
        if tasks.get(task).drawing is not None:
            return Path("build/data") / task
        if (own := tasks.get(task).root) is not None:
            return own
        if task not in self.roots:
            raise fail(
                f"scale {self.scale!r}: roots",
                found=", ".join(self.roots) or "nothing",
                expected=f"the folder with the files of {task!r}",
                fix=f"add 'roots: {{{task}: /path/to/data}}' to the scale file",
            )
        return Path(self.roots[task])

    def require(self, task: str) -> Path:
        """The data root of a task, after a look whether its files are there.

        Raises:
            GbssError: With everything that is missing.
        """
        root, sources = self.root(task), tasks.get(task).sources
        if tasks.get(task).root is not None and (missing := tasks.get(task).missing(root)):
            raise fail(
                f"{tasks.own.path_of(task)}: task.files",
                found=f"no {', no '.join(missing)}",
                expected="these files and folders",
                fix="correct the paths; they are relative to the folder that you are in",
            )
        if tasks.get(task).drawing is None and (missing := tasks.get(task).missing(root)):
            here = f"under 'roots' of the scale {self.scale!r}"
            fetching = f"`gbss fetch {task} --root {root}` (docs/data.md)"
            raise fail(
                f"{root}: the data of {task}, named {here}",
                found=f"no {', no '.join(missing)}",
                expected="these files and folders",
                fix=f"{fetching}; or, if you have them, name their folder {here}"
                if sources
                else f"put them there, or name their folder {here}",
            )
        return root

    def settings(self, row: Row) -> dict[str, Any]:
        """What a published record of a row is held against: its method, and the scale's part."""
        return {"method": row.method, "scale": self.training(row)}

    def training(self, row: Row) -> dict[str, Any]:
        """The part that decides what a run of a row computes: no seeds, machine facts and names."""
        parts: dict[str, Any] = asdict(self.of(row.task))
        parts["schedule"]["decay"] = list(parts["schedule"]["decay"])  # as JSON gives it back
        for name in NAMES:
            del parts[name]
        # Neither changes a result, so neither may make a finished run look outdated.
        for name in ("checkpoint_interval", "log_interval"):
            del parts["schedule"][name]
        del parts["batch"]["workers"]
        burn_in = parts["method"].pop("burn_in")
        if not row.windowed:
            del parts["method"]
        if row.detector == "unbiased_teacher":
            parts.setdefault("method", {})["burn_in"] = burn_in
        # Scales had neither key at first; finished runs stay what they are.
        if self.batch.ratio == "fixed":
            del parts["batch"]["ratio"]
        if self.batch.parts == 1:
            del parts["batch"]["parts"]
        return parts


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
