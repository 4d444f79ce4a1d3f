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
from gbss.grid.grid import fits
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
        ap: AP over all classes, a fraction; None before the evaluation or without ground truth.
        seconds: Time that training took; None unless it is finished.
        where: Host and job that it runs on; empty if nothing says so.
        reason: Why it failed, or what is wrong with one of its files.
    """

    kind: Kind
    iteration: int = 0
    total: int | None = None
    pace: float | None = None
    ap: float | None = None
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

    Args:
        place: Which run.
        published: Folder of the records that are kept in the repository, ``results``.
        results: Folder that the workflow writes to at this scale.
        settings: What runs of the row are made with today, see `gbss.grid.Grid.settings`.
        now: Seconds since the epoch; default: the clock.
    """
    outdated = False
    for kind, root in ((Kind.PUBLISHED, published), (Kind.EVALUATED, results)):
        if (path := place.record(root)).exists():
            if (state := _of_record(kind, path, settings)).kind is not Kind.OUTDATED:
                return state
            outdated = True
    manifest, failure = _read(place.manifest), _read(place.failure)
    if not fits(manifest.get("settings", settings), settings):
        if place.failure.exists() and failure.get("identity") != manifest.get("identity"):
            return _of_failure(place, failure)
        return State(Kind.OUTDATED)
    if place.model.exists():
        training = manifest.get("training", {})
        iterations = training.get("iterations", 0)
        return State(Kind.TRAINED, iterations, total=iterations, seconds=training.get("seconds"))
    if place.failure.exists():
        return _of_failure(place, failure)
    state = _of_training(place, time.time() if now is None else now)
    return State(Kind.OUTDATED) if outdated and state.kind is Kind.MISSING else state


def _of_record(kind: Kind, path: Path, settings: Mapping[str, Any]) -> State:
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
    reason = str(failure.get("error", f"{place.failure} cannot be read"))
    return State(Kind.FAILED, failure.get("iteration", 0), reason=reason)


def _of_training(place: Place, now: float) -> State:
    """A run without final weights: it runs, was stopped, or has not begun."""
    progress = _read(place.progress)
    saved = max((_iteration(path) for path in place.checkpoints.glob("iter_*.pth")), default=0)
    if not progress:
        return State(Kind.STOPPED, saved) if saved else State(Kind.MISSING)
    alive = progress.get("state") == "training" and now - progress.get("time", 0.0) < SILENT
    job = progress.get("job")
    return State(
        Kind.RUNNING if alive else Kind.STOPPED,
        # What was not saved is lost with a run that stopped.
        progress.get("iteration", 0) if alive else saved,
        total=progress.get("total"),
        pace=progress.get("pace"),
        where=f"{progress.get('host', '')}{f', job {job}' if job else ''}",
    )


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
