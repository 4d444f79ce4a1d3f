"""What targets of the workflow would start, and what of it is there already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gbss import tasks
from gbss.grid.cost import Costs, Speed, disk
from gbss.grid.grid import Grid
from gbss.grid.place import BUILD, Place
from gbss.grid.state import State, state_of


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan.

    Attributes:
        place: Which run.
        state: How far it is.
        speed: What its training takes, if known.
        iterations: Length of its training.
        disk: Bytes that its training will add, if known.
    """

    place: Place
    state: State
    speed: Speed | None
    iterations: int
    disk: float | None

    @property
    def to_train(self) -> bool:
        """Whether iterations are left."""
        return not self.state.kind.finished

    @property
    def seconds(self) -> float | None:
        """Seconds of training that are left; None if unknown."""
        if not self.to_train:
            return 0.0
        if self.speed is None:
            return None
        return self.speed.seconds * max(0, self.iterations - self.state.iteration)


@dataclass(frozen=True)
class Plan:
    """What targets would start.

    Attributes:
        grid: Rows, tables and scale.
        tables: Tables that would be rendered.
        runs: All runs that they need, those that are there included.
        jobs: Rule → how many jobs of it would start.
    """

    grid: Grid
    tables: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    jobs: dict[str, int]

    @property
    def gpus(self) -> int:
        """GPUs of one training job; 0 on a CPU."""
        return self.grid.scale.resources["train"].gpus

    @property
    def seconds(self) -> float | None:
        """Seconds of training that are left, all jobs together; None if one is unknown."""
        return _total(run.seconds for run in self.runs)

    @property
    def disk(self) -> float | None:
        """Bytes that training will add; None if one is unknown."""
        return _total(run.disk for run in self.runs if run.to_train)


def make_plan(grid: Grid, targets: Sequence[str], results: Path, costs: Costs) -> Plan:
    """Plans the targets from the files that are there, without starting anything.

    Runs whose settings changed are not told from those that are up to date: Snakemake does
    (``snakemake -n``), and trains them again.

    Args:
        grid: Rows, tables and scale.
        targets: As for Snakemake: ``all_tables``, ``table_<name>``, ``row_<name>``.
        results: Folder that the workflow writes to; records that stand there are used again.
        costs: What training takes.

    Raises:
        GbssError: A target is unknown.
    """
    rows, tables = grid.chosen(targets)
    runs = []
    for place in grid.places(rows):
        speed = costs.speed(place.task, place.row)
        state = state_of(place, results, results, grid.settings(place))
        iterations = grid.iterations(place.row)
        runs.append(PlannedRun(place, state, speed, iterations, disk(place, speed)))
    return Plan(grid, tuple(tables), tuple(runs), _jobs(grid, runs, tables, results))


def _jobs(
    grid: Grid, runs: Sequence[PlannedRun], tables: Sequence[str], results: Path
) -> dict[str, int]:
    """Jobs of each rule, in the order of the workflow."""
    missing = [run for run in runs if not run.place.record(results).exists()]
    training = [run for run in missing if not run.place.model.exists()]
    used = {run.place.task for run in missing}
    split = {name for name in used if not _is_split(name)}
    drawn = {
        name
        for name in split
        if tasks.get(name).drawing is not None and not (BUILD / "data" / name).exists()
    }
    backbone = BUILD / grid.scale.scale / "backbone.pth"
    jobs = {
        "draw": len(drawn),
        "split": len(split),
        "labels": len({run.place.task for run in training if _needs_labels(grid, run.place)}),
        "pretrain": int(bool(training) and not backbone.exists()),
        "train": len(training),
        "detect": len(missing),
        "evaluate": len(missing),
        "publish": len(missing),
        "table": len(tables),
    }
    return {rule: count for rule, count in jobs.items() if count}


def _is_split(task: str) -> bool:
    return (BUILD / "splits" / task / "labeled.json").exists()


def _needs_labels(grid: Grid, place: Place) -> bool:
    """Whether a run is trained with all labels, in a file that is yet to be written."""
    written = (BUILD / "splits" / place.task / "all.json").exists()
    return grid.experiments.rows[place.row].labels == "all" and not written


def _total(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
