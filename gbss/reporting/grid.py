"""Rows, runs and plans as plain text for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from gbss.experiments import Row
from gbss.grid.place import Place
from gbss.grid.plan import Plan
from gbss.grid.state import Kind, State
from gbss.reporting.console import aligned

UNKNOWN = "?"
"""Shown where nothing says how long or how much."""


def rows_text(rows: Sequence[tuple[Row, Sequence[State], float | None]], gpus: int) -> str:
    """Every row with its tables, the state of its runs and the cost of all of them.

    Args:
        rows: Each row, the states of its planned runs, and the seconds of training that all of
            them take together; None: unknown.
        gpus: GPUs of one training job; 0 on a CPU.
    """
    unit = "GPU-hours" if gpus else "hours"
    lines: list[tuple[str, ...]] = [("row", "runs", unit, "tables")]
    for row, states, seconds in rows:
        hours = None if seconds is None else seconds * max(1, gpus)
        lines.append((row.id, _counts(states), _hours(hours), ", ".join(row.tables)))
    return aligned(lines, left=(0, 1, 3))


def status_text(states: Mapping[Place, State]) -> str:
    """Every run that has begun, what failed and why, and how many are in each state.

    Finished runs of a row share a line: the paper's scale has more runs than a screen has lines.
    """
    lines: list[tuple[str, ...]] = [
        ("row", "task", "seed", "state", "iteration", "s/it", "left", "AP", "where")
    ]
    shared: dict[tuple[object, ...], list[tuple[Place, State]]] = {}
    for place, state in states.items():
        if state.kind is not Kind.MISSING:
            own = (state.iteration, state.total) if state.kind.finished else place.seed
            key = (place.row, place.task, state.kind, own)
            shared.setdefault(key, []).append((place, state))
    for entries in shared.values():
        place, state = entries[0]
        seeds = ", ".join(str(each.seed) for each, _ in entries)
        course = list(_course(state))
        course[3] = ", ".join(filter(None, (_course(each)[3] for _, each in entries)))
        lines.append((place.row, place.task, seeds, state.kind.value, *course))
    text = [aligned(lines, left=(0, 1, 3, 8))] if len(lines) > 1 else []
    text += [
        f"{place} failed:\n{_indented(state.reason)}"
        for place, state in states.items()
        if state.reason
    ]
    text.append(f"{len(states)} runs: {_counts(states.values())}")
    return "\n\n".join(text)


def plan_text(plan: Plan, attempts: int | None = None, published: int = 0) -> str:
    """Jobs, hours and disk before anything starts, with where the figures come from.

    Args:
        plan: The plan.
        attempts: How often a job may run until its wall time; None: nothing limits it.
        published: Runs to train of which the repository has a record that is not used.
    """
    scale = plan.grid.scale
    train = [run for run in plan.runs if run.to_train]
    begun = [run for run in train if run.begun]
    lines = [
        f"scale {scale.scale}: {scale.summary}",
        f"tables: {', '.join(plan.tables) or 'none'}",
        *([f"figures: {', '.join(plan.figures)}"] if plan.figures else []),
        f"runs: {len(plan.runs)}, of them used as they are: {len(plan.runs) - len(train)}",
        f"to train: {len(train)}, of them from a checkpoint: {len(begun)}",
        f"jobs: {', '.join(f'{count} {rule}' for rule, count in plan.jobs.items()) or 'none'}",
    ]
    if published:
        lines.append(
            f"published: {published} of them have a record in results/, and are trained all the "
            f"same; with `--config scale={scale.scale} results=results` those records are used"
        )
    if train:
        lines += _cost_lines(plan)
    if attempts is not None:
        lines += _time_lines(plan, attempts)
    return "\n".join(lines)


def _time_lines(plan: Plan, attempts: int) -> list[str]:
    """Which rows do not fit into the wall time of all attempts; nothing if all do."""
    wall = 60.0 * plan.grid.scale.resources["train"].runtime
    slow: dict[float, dict[str, None]] = {}
    for run in plan.runs:
        if run.seconds is not None and run.seconds > attempts * wall:
            slow.setdefault(run.seconds, {})[run.place.row] = None
    if not slow:
        return []
    hold = f"{attempts} attempts of {_hours(wall)} hours hold {_hours(attempts * wall)} hours"
    return [
        f"warning: {hold}; a run of these rows needs more:",
        *(f"    {_hours(seconds)} hours: {', '.join(slow[seconds])}" for seconds in sorted(slow)),
        "    raise 'retries' of the profile, or 'runtime' of resources.train in the scale; or",
        "    start Snakemake again afterwards: it goes on from checkpoints (docs/cluster.md)",
    ]


def _cost_lines(plan: Plan) -> list[str]:
    seconds, gpus = plan.seconds, plan.gpus
    each = f"{gpus} GPU{'s' if gpus > 1 else ''} a job" if gpus else "on the CPU"
    lines = []
    if seconds is None:
        measure = f"python benchmarks/speed.py --scale {plan.grid.scale.scale} --write"
        lines.append(f"time: unknown; measure it: {measure}")
    else:
        hours = f"{_hours(seconds * gpus)} GPU-hours, " if gpus else ""
        lines.append(f"training: {hours}{_hours(seconds)} hours of jobs, {each}")
    added = plan.disk
    shown = "unknown" if added is None else f"{added / 1e9:.1f} GB"
    lines.append(f"disk for checkpoints and weights: {shown}")
    speeds: dict[str, list[float]] = {}
    for run in plan.runs:
        if run.to_train and run.speed is not None:
            speeds.setdefault(run.speed.source, []).append(run.speed.seconds)
    lines += [
        f"assumed: {_range(seconds)} s an iteration ({source})"
        for source, seconds in speeds.items()
    ]
    return lines


def _range(values: Sequence[float]) -> str:
    ends = dict.fromkeys(f"{value:.2g}" for value in (min(values), max(values)))
    return " to ".join(ends)


def _course(state: State) -> tuple[str, str, str, str, str]:
    total = f"/{state.total:,}" if state.total is not None else ""
    at = "" if state.ap_iteration is None else f" at {state.ap_iteration:,}"
    left = state.left
    return (
        f"{state.iteration:,}{total}",
        "" if state.pace is None else f"{state.pace:.2f}",
        "" if left is None else str(timedelta(seconds=round(left))),
        "" if state.ap is None else f"{100 * state.ap:.1f}{at}",
        state.where,
    )


def _counts(states: Iterable[State]) -> str:
    count = Counter(state.kind for state in states)
    return ", ".join(f"{count[kind]} {kind.value}" for kind in Kind if count[kind])


def _hours(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds / 3600:,.1f}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
