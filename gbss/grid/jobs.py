"""The workflow's jobs as files and rules, and which of them targets would start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gbss import tasks
from gbss.grid.grid import Grid
from gbss.grid.place import BUILD, Place


@dataclass(frozen=True, eq=False)
class Job:
    """One job of the workflow; ``Snakefile`` and ``workflow/rules`` say the same of it.

    Attributes:
        rule: Name of its rule.
        outputs: Files that it writes.
        inputs: Files that it reads and that other jobs write, or may have written.
        place: The run that it belongs to; None: to none.
        changed: Whether its outputs were made with other settings.
    """

    rule: str
    outputs: tuple[Path, ...]
    inputs: tuple[Path, ...] = ()
    place: Place | None = None
    changed: bool = False

    @property
    def is_older(self) -> bool:
        """Whether an input is newer than an output."""
        outputs = [path.stat().st_mtime for path in self.outputs if path.exists()]
        if not outputs:
            return False
        return any(path.stat().st_mtime > min(outputs) for path in self.inputs if path.exists())


def jobs_of(grid: Grid, results: Path) -> Iterator[Job]:
    """Every job of a scale but those of figures and the page: made from files of these.

    Args:
        grid: Rows, tables and scale.
        results: Folder that the workflow writes to.
    """
    rules = ("draw", "split", "labels")
    of_tasks = [job for task in dict.fromkeys(grid.scale.tasks.values()) for job in _of_task(task)]
    yield from sorted(of_tasks, key=lambda job: rules.index(job.rule))
    backbone = BUILD / grid.scale.scale / "backbone.pth"
    yield Job("pretrain", (backbone,))
    for place in grid.places(grid.rows()):
        yield from _of_run(grid, place, results, backbone)
    for table in grid.tables():
        records = grid.records(grid.experiments.rows_of(table), results)
        yield Job("table", grid.table_files(table, results), tuple(records))


def _split(task: str, *names: str) -> tuple[Path, ...]:
    return tuple(BUILD / "splits" / task / f"{name}.json" for name in names)


def _of_task(task: str) -> Iterator[Job]:
    drawn: tuple[Path, ...] = ()
    if tasks.get(task).drawing is not None:
        drawn = tuple(BUILD / "data" / task / f"{part}.json" for part in ("train", "val"))
        yield Job("draw", drawn)
    yield Job("split", _split(task, "labeled", "unlabeled", "unlabeled_hidden", "val"), drawn)
    yield Job("labels", _split(task, "all"), drawn[:1])


def _of_run(grid: Grid, place: Place, results: Path, backbone: Path) -> Iterator[Job]:
    row, task = grid.experiments.rows[place.row], place.task
    start = [grid.start_of(place).model] if row.retrains else []
    used = _split(task, "all" if row.labels == "all" else "labeled", "unlabeled", "val")
    weights, val = place.model, _split(task, "val")
    for rule, output, inputs in (
        ("train", weights, (*used, backbone, *start)),
        ("detect", place.detections, (weights, *val)),
        ("pseudo_labels", place.pseudo_labels, (weights, *_split(task, "unlabeled"))),
        ("class_logits", place.class_logits, (weights, *val)),
        ("evaluate", place.evaluated, (place.detections, *val)),
        ("publish", place.record(results), (place.evaluated,)),
    ):
        changed = rule == "train" and weights.exists() and grid.is_changed(place)
        yield Job(rule, (output,), inputs, place, changed)


def started(jobs: Iterable[Job], wanted: Iterable[Path]) -> list[Job]:
    """The jobs that would start, in the order of the workflow.

    As Snakemake has it: a file is made if it is asked for and not there, or if something that it is
    made from changes. What is missing and asked for by nobody stays so: weights, for instance, of
    which the record is there. Of changes those of the rows and of files are seen here; Snakemake
    remembers more (``snakemake -n``), such as the labels that a table was rendered with.

    Args:
        jobs: All jobs of the workflow.
        wanted: The files that targets ask for.
    """
    maker = {output: job for job in jobs for output in job.outputs}
    asked = set(wanted)
    order = _order([maker[path] for path in asked if path in maker], maker)
    found: dict[Job, None] = {}
    while True:
        before = len(found)
        for job in order:
            if job not in found and (
                job.changed
                or any(path in asked and not path.exists() for path in job.outputs)
                or any(maker.get(path) in found for path in job.inputs)
                or job.is_older
            ):
                found[job] = None
                asked |= set(job.inputs)
        if len(found) == before:
            return [job for job in dict.fromkeys(maker.values()) if job in found]


def _order(last: Sequence[Job], maker: dict[Path, Job]) -> list[Job]:
    """These jobs and all that they are made from, those first."""
    order: dict[Job, None] = {}

    def add(job: Job) -> None:
        if job not in order:
            for path in job.inputs:
                if path in maker:
                    add(maker[path])
            order[job] = None

    for job in last:
        add(job)
    return list(order)
