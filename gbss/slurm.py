"""What the workflow needs of Slurm: one workflow in a folder, and patience with its controller."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbss.errors import GbssError, fail
from gbss.locks import locked

PREFIX = "gbss_"
"""How the names of our jobs begin: ``slurm-jobname-prefix`` of slurm/config.yaml."""

ENDING = 600.0
"""Seconds in which a cancelled job has to end."""

PAUSE = 20.0
"""Seconds between two questions to a Slurm that does not answer."""

CONTROLLER = Path(".snakemake/gbss-controller")
"""Folder, under the workflow's, that is locked by the one workflow that submits from there."""

LOST = 120.0
"""Seconds after which a job that Slurm does not list, or that stays pre-empted, has ended."""

OWN_JOB = os.environ.get("SLURM_JOB_ID")
"""The job that the workflow itself is, if it is one; the executor forgets it when it starts."""

_held = ExitStack()
"""Until this process ends."""


@dataclass(frozen=True)
class Job:
    """A job in the queue.

    Attributes:
        number: Slurm's id.
        state: ``RUNNING``, ``PENDING`` and so on.
        comment: Rule and wildcards.
    """

    number: str
    state: str
    comment: str


def alone_in(folder: Path) -> None:
    """Makes this process the only workflow of a folder until it ends, however it ends.

    Snakemake's own lock outlives a workflow that was killed.

    Args:
        folder: The working directory.

    Raises:
        GbssError: Another workflow runs in this folder.
    """
    _held.enter_context(locked(folder / CONTROLLER, "running a workflow", patience=2))


def take_over(folder: Path) -> None:
    """Ends the jobs of a killed workflow; call `alone_in` first.

    Snakemake does not know jobs that it did not submit: it would submit each a second time. A
    training that is cancelled saves a checkpoint, so what is lost is its place in the queue.

    Args:
        folder: The working directory, from which the jobs were submitted.

    Raises:
        GbssError: Jobs do not end.
    """
    left = jobs_from(folder)
    if not left:
        return
    _tell(f"{len(left)} jobs of an earlier workflow are still in the queue; cancelling them:")
    for job in left:
        _tell(f"  {job.number} {job.state.lower()} {job.comment}")
    numbers = [job.number for job in left]
    _call("scancel", *numbers)
    end = time.monotonic() + ENDING
    while jobs := [job for job in jobs_from(folder) if job.number in numbers]:
        if time.monotonic() > end:
            raise fail(
                "squeue",
                found=f"cancelled jobs that do not end: {', '.join(job.number for job in jobs)}",
                expected="an empty queue before the same jobs are submitted again",
                fix="look at them with `scontrol show job`; start again when they are gone",
            )
        time.sleep(2)
    _tell("they have ended; their trainings go on from their checkpoints")


def wait_for_controller(executor: Any) -> None:
    """Lets Snakemake's executor wait while Slurm's controller restarts or is out of reach.

    By itself, version 2.6.1 forgets all jobs when one question for their states fails, and then
    waits for them for ever, as it does for jobs that ended and left the queue while nobody asked,
    and for those that are pre-empted and not queued again; it asks ``sacct`` when it cannot read
    the controller's settings; and it counts a job that could not be submitted as failed.

    Args:
        executor: The module `snakemake_executor_plugin_slurm`; changed.
    """
    ask, age = executor.query_job_status, executor.get_min_job_age
    submit = executor.Executor.run_jobs
    known: list[int] = []
    settled = _Settled()

    async def patient_ask(command: str, logger: Any) -> Any:
        told = False
        while (found := await ask(command, logger)) == (None, None):
            if not told:
                _tell(f"`{command.split(maxsplit=1)[0]}` fails; asking again every {PAUSE:.0f} s")
                told = True
            await asyncio.sleep(PAUSE)
        return settled.answer(found[0]), found[1]

    def last_known_age() -> int | None:
        if (found := age()) is not None:
            known[:] = [found]
        return known[0] if known else None

    def patient_submit(self: Any, jobs: Sequence[Any]) -> None:
        told = False
        while not _answers():
            if not told:
                _tell(f"jobs are ready, but `squeue` fails; trying again every {PAUSE:.0f} s")
                told = True
            time.sleep(PAUSE)
        submit(self, jobs)
        settled.expect(job.external_jobid for job in getattr(self, "active_jobs", ()))

    executor.query_job_status = patient_ask
    executor.get_min_job_age = last_known_age
    executor.Executor.run_jobs = patient_submit
    last_known_age()


class _Settled:
    """Tells of jobs that nothing more will be heard of what became of them."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._since: dict[str, float] = {}

    def expect(self, jobs: Iterable[str]) -> None:
        """Notes jobs that were submitted: they may end before anybody asks."""
        self._seen |= {*jobs}

    def answer(self, states: Mapping[str, str]) -> dict[str, str]:
        """The states of jobs, with an end for those that are `LOST`.

        Of a job that is not listed any more nobody knows how it ended: Snakemake, told ``UNKNOWN``,
        looks for its outputs, and submits it again if there are none.
        """
        now = time.monotonic()
        self._seen |= states.keys()
        ends = dict.fromkeys(self._seen - states.keys(), "UNKNOWN")
        ends |= {job: "FAILED" for job, state in states.items() if state == "PREEMPTED"}
        self._since = {job: self._since.get(job, now) for job in ends}
        return {**states, **{job: ends[job] for job in ends if now - self._since[job] >= LOST}}


def _answers() -> bool:
    try:
        _call("squeue", "--me", "--noheader")
    except GbssError:
        return False
    return True


def jobs_from(folder: Path) -> list[Job]:
    """Our jobs in the queue that were submitted from a folder, without the one that asks."""
    found = []
    for line in _call("squeue", "--me", "--noheader", "--format=%i|%j|%T|%Z|%k").splitlines():
        number, name, state, place, comment = line.split("|", 4)
        ours = name.startswith(PREFIX) and Path(place).resolve() == folder.resolve()
        # The workflow may be a job itself, whatever its name.
        if ours and number.strip() != OWN_JOB:
            found.append(Job(number.strip(), state, comment.strip()))
    return found


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise fail(
            command[0],
            found=(done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1],
            expected="a Slurm controller that answers",
            fix="wait until `squeue --me` works, then start again",
        )
    return done.stdout


def _tell(text: str) -> None:
    print(f"slurm: {text}", file=sys.stderr, flush=True)
