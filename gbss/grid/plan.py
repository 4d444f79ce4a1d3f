"""What targets of the workflow would start, and what of it is there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gbss.grid.cost import Costs, Speed, disk
from gbss.grid.grid import Grid
from gbss.grid.jobs import started
from gbss.grid.place import Place
from gbss.grid.state import Kind, State, state_in
from gbss.grid.targets import FigureFiles, ask


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan.

    Attributes:
        place: Which run.
        state: How far it is.
        to_train: Whether it would be trained, or go on.
        speed: What its training takes, if known.
        iterations: Length of its training.
        disk: Bytes that its training will add, if known.
    """

    place: Place
    state: State
    to_train: bool
    speed: Speed | None
    iterations: int
    disk: float | None

    @property
    def begun(self) -> int:
        """Iterations that training goes on from."""
        going = self.state.kind in (Kind.RUNNING, Kind.STOPPED, Kind.FAILED)
        return self.state.iteration if going else 0

    @property
    def seconds(self) -> float | None:
        """Seconds of training that are left; None if unknown."""
        if not self.to_train:
            return 0.0
        if self.speed is None:
            return None
        return self.speed.seconds * max(0, self.iterations - self.begun)


@dataclass(frozen=True)
class Plan:
    """What targets would start.

    Attributes:
        grid: Rows, tables and scale.
        tables: Tables that the targets show.
        figures: Figures that they show.
        runs: All runs that they need, those that are there included.
        jobs: Rule → how many jobs of it would start.
    """

    grid: Grid
    tables: tuple[str, ...]
    figures: tuple[str, ...]
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


def make_plan(
    grid: Grid,
    targets: Sequence[str],
    results: Path,
    costs: Costs,
    figures: Mapping[str, FigureFiles] | None = None,
) -> Plan:
    """Plans the targets from the files that are there, without starting anything.

    Args:
        grid: Rows, tables and scale.
        targets: As for Snakemake, see `gbss.grid.targets.ask`.
        results: Folder that the workflow writes to; records that stand there are used again.
        costs: What training takes.
        figures: All figures of the scale by name.

    Raises:
        GbssError: A target is unknown.
    """
    asked = ask(grid, targets, results, figures or {})
    jobs = started(asked.jobs, asked.files)
    training = {job.place for job in jobs if job.rule == "train"}
    runs = []
    for place in asked.places:
        speed = costs.speed(place.task, grid.experiments.rows[place.row])
        state = state_in(grid, place, results, results)
        iterations, added = grid.iterations(place.row), disk(place, speed)
        runs.append(PlannedRun(place, state, place in training, speed, iterations, added))
    counts = Counter(job.rule for job in jobs)
    return Plan(grid, asked.tables, asked.figures, tuple(runs), dict(counts))


def _total(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
