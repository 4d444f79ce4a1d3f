"""How far a run is, from the files that it leaves; works while it runs elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gbss.errors import GbssError
from gbss.evaluation import record as run_record
from gbss.grid.grid import Grid, fits
from gbss.grid.place import Place

SILENT = 600.0
"""Seconds without a sign of life after which a run counts as stopped."""


class Kind(StrEnum):
    """How far a run is; in the order of the summary."""

    PUBLISHED = "published"
    EVALUATED = "evaluated"
    TRAINED = "trained"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    OUTDATED = "outdated"
    MISSING = "missing"

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be trained."""
        return self in (Kind.PUBLISHED, Kind.EVALUATED, Kind.TRAINED)


@dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes:
        kind: In one word.
        iteration: Iterations that are done and saved, or at least done if it runs now.
        total: Iterations of the whole run; None if nothing says so.
        pace: Seconds per iteration of late; None if nothing says so.
        ap: AP over all classes, a fraction; None if nothing says so, or without ground truth.
        ap_iteration: When training last looked at it; None: it is of the evaluated run.
        seconds: Time that training took; None unless it is finished.
        where: Host and job that it runs on; empty if nothing says so.
        reason: Why it failed, or what is wrong with one of its files.
    """

    kind: Kind
    iteration: int = 0
    total: int | None = None
    pace: float | None = None
    ap: float | None = None
    ap_iteration: int | None = None
    seconds: float | None = None
    where: str = ""
    reason: str = ""

    @property
    def left(self) -> float | None:
        """Seconds of training that are left; None if nothing says so."""
        if self.kind is not Kind.RUNNING or self.total is None or self.pace is None:
            return None
        return self.pace * (self.total - self.iteration)


def state_of(
    place: Place,
    published: Path,
    results: Path,
    settings: Mapping[str, Any],
    *,
    now: float | None = None,
) -> State:
    """Looks at the files of a run; those that were made with other settings do not count.

    What was done here comes first: a record that came with the repository says nothing of a run
    that is at work or has failed here.

    Args:
        place: Which run.
        published: Folder of the records that are kept in the repository, ``results``.
        results: Folder that the workflow writes to at this scale.
        settings: What runs of the row are made with today, see `gbss.grid.Grid.settings`.
        now: Seconds since the epoch; default: the clock.
    """
    own = Kind.PUBLISHED if results == published else Kind.EVALUATED
    folder = _of_folder(place, settings, time.time() if now is None else now)
    if folder is not None and folder.kind in (Kind.RUNNING, Kind.FAILED):
        return folder
    found = (
        _of_record(own, place.record(results), settings),
        folder,
        _of_record(Kind.PUBLISHED, place.record(published), settings),
    )
    known = [state for state in found if state is not None]
    fitting = (state for state in known if state.kind is not Kind.OUTDATED)
    return next(fitting, known[0] if known else State(Kind.MISSING))


def state_in(grid: Grid, place: Place, published: Path, results: Path) -> State:
    """The state of a run with the settings of today; a second stage needs its first to be of them.

    Args:
        grid: Rows and scale.
        place: Which run.
        published: As for `state_of`.
        results: As for `state_of`.
    """
    state = state_of(place, published, results, grid.settings(place))
    old = state.kind.finished and grid.starts_from_outdated(place, results)
    return State(Kind.OUTDATED) if old else state


def _of_folder(place: Place, settings: Mapping[str, Any], now: float) -> State | None:
    """What a run's own folder tells; None if it was not begun."""
    manifest, failure = _read(place.manifest), _read(place.failure)
    if not fits(manifest.get("settings", settings), settings):
        if place.failure.exists() and failure.get("identity") != manifest.get("identity"):
            return _of_failure(place, failure)
        return State(Kind.OUTDATED)
    if place.failure.exists():
        return _of_failure(place, failure)
    if place.model.exists():
        training = manifest.get("training", {})
        iterations = training.get("iterations", 0)
        return State(
            Kind.TRAINED,
            iterations,
            total=iterations,
            seconds=training.get("seconds"),
            **_watched(_read(place.progress)),
        )
    return _of_training(place, now)


def _of_record(kind: Kind, path: Path, settings: Mapping[str, Any]) -> State | None:
    """What a record tells; None if there is none."""
    if not path.exists():
        return None
    try:
        record = run_record.read(path)
    except GbssError as error:
        return State(Kind.FAILED, reason=str(error))
    if not fits(record["settings"], settings):
        return State(Kind.OUTDATED)
    training = record["training"]
    return State(
        kind,
        training["iterations"],
        total=training["iterations"],
        ap=record["groups"]["all"]["ap"],
        seconds=training["seconds"],
    )


def _of_failure(place: Place, failure: Mapping[str, Any]) -> State:
    """Why it failed, and what of it was saved."""
    reason = str(failure.get("error", f"{place.failure} cannot be read"))
    saved = failure.get("iteration", 0) if place.model.exists() else _saved(place)
    return State(Kind.FAILED, saved, reason=reason)


def _saved(place: Place) -> int:
    return max((_iteration(path) for path in place.checkpoints.glob("iter_*.pth")), default=0)


def _of_training(place: Place, now: float) -> State | None:
    """A run without final weights: it runs or was stopped; None if it was not begun."""
    progress = _read(place.progress)
    saved = _saved(place)
    if not progress:
        return State(Kind.STOPPED, saved) if saved else None
    alive = progress.get("state") == "training" and now - progress.get("time", 0.0) < SILENT
    job = progress.get("job")
    return State(
        Kind.RUNNING if alive else Kind.STOPPED,
        # What was not saved is lost with a run that stopped.
        progress.get("iteration", 0) if alive else saved,
        total=progress.get("total"),
        pace=progress.get("pace"),
        where=f"{progress.get('host', '')}{f', job {job}' if job else ''}",
        **_watched(progress),
    )


def _watched(progress: Mapping[str, Any]) -> dict[str, Any]:
    """The AP that training last told."""
    return {key: progress.get(key) for key in ("ap", "ap_iteration")}


def _iteration(checkpoint: Path) -> int:
    digits = checkpoint.stem.removeprefix("iter_")
    return int(digits) if digits.isdigit() else 0


def _read(path: Path) -> dict[str, Any]:
    """What a file of a run says; nothing if it cannot be read, as a run may be at work on it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
