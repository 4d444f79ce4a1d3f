"""What a run tells other machines while it is trained: how far it is, and why it failed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from gbss.errors import GbssError
from gbss.files import read_json, write_json

State = Literal["training", "stopped", "finished"]

PROGRESS, FAILURE = "progress.json", "failed.json"
"""Names of the two files in a run's folder; `gbss.grid.state` reads them."""

Content = TypeVar("Content")


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        state: ``training`` is what a killed run last said, too: look at the time.
        iteration: Finished iterations.
        total: Iterations of the whole run.
        pace: Seconds per iteration of late; None: not known yet.
        losses: Name → value of one iteration; None: no finite number.
        processes: That train together.
        ap: AP of the teacher over all classes, a fraction, when it was last looked at; None: it was
            not yet, or there is no ground truth.
        ap_iteration: When that was; None: not yet.
        time: When this was written, in seconds since the epoch.
        host: Machine of the first process.
        pid: The first process.
        job: Slurm's job id; None outside of Slurm.
    """

    state: State
    iteration: int
    total: int
    pace: float | None
    losses: Mapping[str, float | None]
    processes: int
    time: float
    host: str
    pid: int
    job: str | None
    ap: float | None = None
    ap_iteration: int | None = None


@dataclass(frozen=True)
class Failure:
    """Why a run, or a later step of it, failed.

    Attributes:
        error: The message.
        iteration: Finished iterations.
        identity: Of the run, see `gbss.engine.run.Run.identity`; None: nobody knows yet.
        time: When it failed, in seconds since the epoch.
        host: Where.
        job: Slurm's job id; None outside of Slurm.
        stops: Whether a run of this identity is not started again: it would end as it did. After a
            crash it is, as the cause may be gone.
    """

    error: str
    iteration: int
    identity: str | None
    time: float
    host: str
    job: str | None
    stops: bool = True


def here() -> dict[str, Any]:
    """Time, machine and job, as both files tell them."""
    return {
        "time": time.time(),
        "host": socket.gethostname(),
        "job": os.environ.get("SLURM_JOB_ID"),
    }


def write_progress(folder: Path, progress: Progress) -> None:
    """Writes ``progress.json``. A full disk is no reason to end a training."""
    _write(folder / PROGRESS, progress)


def read_progress(folder: Path) -> Progress | None:
    """What a run last told; None if it told nothing that can be read."""
    return _read(folder / PROGRESS, Progress)


def mark(folder: Path, state: State, iteration: int, **others: Any) -> None:
    """Changes the state that a run last told, and other fields of its `Progress`."""
    if progress := read_progress(folder):
        now = here() | {"pid": os.getpid()} | others
        write_progress(folder, replace(progress, state=state, iteration=iteration, **now))


def write_failure(
    folder: Path, error: str, iteration: int, identity: str | None, *, stops: bool = True
) -> None:
    """Writes ``failed.json``."""
    _write(folder / FAILURE, Failure(error, iteration, identity, stops=stops, **here()))


def read_failure(folder: Path) -> Failure | None:
    """Why a run failed; None if it did not, or if the file cannot be read."""
    return _read(folder / FAILURE, Failure)


def clear_failure(folder: Path) -> None:
    """Forgets a failure."""
    (folder / FAILURE).unlink(missing_ok=True)


def _write(path: Path, content: Progress | Failure) -> None:
    try:
        write_json(path, asdict(content))
    except OSError as error:
        print(f"{path} could not be written: {error}")


def _read(path: Path, kind: type[Content]) -> Content | None:
    try:
        return kind(**read_json(path, what="file of a run"))
    except (GbssError, TypeError):
        return None
