"""One process at a time in a folder, also across machines, and without locks that outlive it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gbss.errors import fail
from gbss.files import write_json

PATIENCE = 15.0
"""Seconds to wait for a lock. Loading processes inherit it and outlive a killed parent."""

SIGN_OF_LIFE = 30.0
"""Seconds between two signs of life of a holder."""

SILENCE = 300.0
"""A holder on another machine that gave no sign for so many seconds is dead."""

OWNERS = ".owner*.json"
"""Who claims the lock of a folder: host, process, start of the process, Slurm job. The name tells
them, too, so that nobody takes the file of a new holder for that of a dead one and removes it."""

FILES = (".lock", ".owner", "..owner", ".now.")
"""How the names of a lock's files begin."""


@contextmanager
def locked(folder: Path, doing: str, *, patience: float | None = None) -> Iterator[None]:
    """Keeps a second process out of a folder.

    The lock of the operating system dies with its process, but on some network file systems it is
    known to one machine only, or not at all. So a file beside it names the holder, who touches it
    every `SIGN_OF_LIFE` seconds. Who claims the lock writes his file first and looks for others'
    then: of two that do so at once, the later one at least steps back.

    Args:
        folder: Made if missing.
        doing: What is done in it, for the messages: ``training``.
        patience: Seconds to wait; None: `PATIENCE`, or within a Slurm job for ever. There the
            holder is most likely a job that outlived a killed workflow, and what it does is needed.

    Raises:
        GbssError: Another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if patience is None:
        patience = float("inf") if "SLURM_JOB_ID" in os.environ else PATIENCE
    with (folder / ".lock").open("w") as stream:
        end, told = time.monotonic() + patience, False
        while (holder := _take(stream.fileno(), folder)) is not None:
            if time.monotonic() > end:
                raise fail(
                    str(folder),
                    found=f"another process is {doing} in this folder: {holder}",
                    expected="one process at a time",
                    fix="wait for it, or end it: a job of an interrupted workflow may live on",
                )
            if not told and time.monotonic() > end - patience + min(patience, PATIENCE) / 2:
                print(f"{folder}: waiting for {holder}", file=sys.stderr, flush=True)
                told = True
            # Two that step back from each other must not come back together.
            time.sleep(0.1 + 0.2 * random.SystemRandom().random())
        mine, done = _claim(folder), threading.Event()
        thread = threading.Thread(target=_give_signs, args=(mine, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            mine.unlink(missing_ok=True)


def _take(descriptor: int, folder: Path) -> str | None:
    """Takes the lock, or says who holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _describe(next(filter(None, map(_read, folder.glob(OWNERS))), {}))
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
    if (holder := _holder(folder)) is not None:
        return holder
    mine = _claim(folder)
    write_json(mine, _myself())
    if (holder := _holder(folder, besides=mine)) is not None:
        mine.unlink(missing_ok=True)
    return holder


def _holder(folder: Path, besides: Path | None = None) -> str | None:
    """Describes one who claims the lock; removes the claims of the dead."""
    for path in folder.glob(OWNERS):
        if path == besides:
            continue
        owner = _read(path)
        if owner and _is_alive(owner, path):
            return _describe(owner)
        path.unlink(missing_ok=True)
    return None


def _claim(folder: Path) -> Path:
    """The file that only this process writes."""
    me = _myself()
    return folder / f".owner.{me['host']}.{me['pid']}.{me['started']}.json"


def _myself() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _start_of(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
    }


def _is_alive(owner: dict[str, Any], path: Path) -> bool:
    if owner.get("host") == socket.gethostname():
        started = _start_of(owner.get("pid"))
        return started is not None and started == owner.get("started")
    if owner.get("job") and owner["job"] == os.environ.get("SLURM_JOB_ID"):
        return False  # this job, before Slurm moved it to this machine
    # Two times of the file server, whatever the clocks of the machines say.
    probe = path.with_name(f".now.{socket.gethostname()}.{os.getpid()}")
    probe.touch()
    try:
        age = probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return age < SILENCE


def _start_of(pid: object) -> str | None:
    """When a process of this machine was started, in clock ticks; None: there is none."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state[0] in "ZX" else state[19]


def _read(path: Path) -> dict[str, Any]:
    try:
        owner = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _describe(owner: dict[str, Any]) -> str:
    if not owner:
        return "a process that did not leave its name"
    job = f", Slurm job {owner['job']}" if owner.get("job") else ""
    return f"process {owner.get('pid')} on {owner.get('host')}{job}"


def _give_signs(path: Path, done: threading.Event) -> None:
    while not done.wait(SIGN_OF_LIFE):
        with suppress(OSError):
            os.utime(path)
