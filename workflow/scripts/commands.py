"""Running pip and friends for `install.py`: everything in a log, a little of it on the screen."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SECONDS_BETWEEN_LINES = 20
TAIL = 15
NETWORK = re.compile(
    r"name resolution|Name or service|ConnectionError|NewConnectionError|timed out|ProxyError"
    r"|Could not find a version|No matching distribution|SSLError|Network is unreachable",
    re.IGNORECASE,
)

Show = Callable[[str], str | None]


class SetupError(Exception):
    """Why the setup stopped, and what can be done about it."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"{found}\n    to do: {fix}")


@contextmanager
def step(number: int, steps: int, title: str) -> Iterator[None]:
    """Names a step before it, and says after it how long it took."""
    print(f"[{number}/{steps}] {title}", flush=True)
    start = time.monotonic()
    yield
    print(f"      done in {duration(time.monotonic() - start)}", flush=True)


def duration(seconds: float) -> str:
    """``42 s`` or ``6 min 05 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def require_space(folder: Path, gib: float) -> None:
    """Stops if the file system that holds ``folder``, made or not, has less than ``gib`` free."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free < gib:
        raise SetupError(
            f"{existing}: found {free:.1f} GiB of free disk, expected at least {gib} GiB",
            "free some space; or put the environment elsewhere (make setup VENV=/path) "
            "and what is temporary, too (TMPDIR=/path)",
        )


class Ticker:
    """Shows the latest state: one line that changes on a terminal, now and then a line in a log."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._last = time.monotonic()

    def show(self, text: str) -> None:
        """Shows ``text`` if its turn has come."""
        now = time.monotonic()
        if self._terminal:
            width = shutil.get_terminal_size().columns - 7
            print(f"\r\033[K      {text[:width]}", end="", flush=True)
        elif now - self._last >= SECONDS_BETWEEN_LINES:
            print(f"      {text}", flush=True)
            self._last = now

    def close(self) -> None:
        """Leaves a clean line."""
        if self._terminal:
            print("\r\033[K", end="", flush=True)


def pip_progress() -> Show:
    """A fresh reader of pip's lines; it shows what is being fetched and how much of it is here."""
    current = ""

    def show(line: str) -> str | None:
        nonlocal current
        if found := re.match(r"\s*Downloading (\S+?)(?:\.metadata)?( \(.+\))?$", line):
            current = f"downloading {Path(found[1]).name}{found[2] or ''}"
            return current
        if found := re.match(r"Progress (\d+) of (\d+)", line):
            return f"{current}: {100 * int(found[1]) // max(1, int(found[2]))} %"
        if found := re.match(r"(Collecting|Building wheel for) ([^\s;(]+)", line):
            return f"{found[1].lower()} {found[2]}"
        if found := re.match(r"Installing collected packages: (.+)", line):
            return f"installing {len(found[1].split(', '))} packages"
        return None

    return show


@dataclass(frozen=True)
class Environment:
    """A virtual or conda environment and the log of what is done to it.

    Attributes:
        folder: The environment's folder.
        log: Everything that the commands print.
        lock: File descriptor that the commands inherit, so that a lock lasts while they run.
    """

    folder: Path
    log: Path
    lock: int

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin/python"

    @property
    def is_venv(self) -> bool:
        """Whether `venv` made the folder."""
        return (self.folder / "pyvenv.cfg").exists()

    @cached_property
    def version(self) -> str:
        """The version of the environment's Python, ``3.11.7``."""
        return self.ask("import platform; print(platform.python_version())")

    def ask(self, code: str) -> str:
        """What a few lines of Python print in the environment: its last line, stripped.

        Raises:
            SetupError: They failed.
        """
        command = [str(self.python), "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SetupError(
                f"{self.python} does not work:\n{done.stderr.strip()}",
                f"remove {self.folder}, then `make setup` again",
            )
        return done.stdout.strip().splitlines()[-1]

    def pip(self, *arguments: str) -> None:
        """Runs the environment's pip with the user's configuration."""
        command = [str(self.python), "-m", "pip", *arguments]
        if arguments[0] in {"download", "install"}:
            command.append("--progress-bar=raw")
        self.run(command, show=pip_progress())

    def run(
        self,
        command: Sequence[str],
        *,
        show: Show = lambda line: None,
        extra: Mapping[str, str] | None = None,
        fix: str | None = None,
    ) -> None:
        """Runs a command to its end; what it started ends with it, whatever happens.

        Args:
            command: Program and arguments.
            show: What to show for a line of output; None: nothing.
            extra: Environment variables to set.
            fix: What to do if it fails, where that is known before.

        Raises:
            SetupError: It failed. Tells the last lines of its output.
        """
        settings = {
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PIP_USER": "0",
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        ticker, tail = Ticker(), list[str]()
        with (
            self.log.open("a", encoding="utf-8") as log,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **settings, **(extra or {})},
                pass_fds=[self.lock],
                start_new_session=True,
            ) as process,
        ):
            print("$", *command, file=log)
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if (text := show(line)) is not None:
                        ticker.show(text)
                    if not line.startswith("Progress "):
                        log.write(line)
                        tail = [*tail[1 - TAIL :], line.rstrip()]
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                raise
            finally:
                ticker.close()
        if process.returncode != 0:
            raise self._failure(command, tail, fix)

    def _failure(self, command: Sequence[str], tail: list[str], fix: str | None) -> SetupError:
        text = "\n".join(f"    | {line}" for line in tail)
        if "No space left" in text:
            fix = "free some disk (pip's temporary files follow TMPDIR), then `make setup` again"
        elif NETWORK.search(text):
            fix = (
                "check the network and pip's settings (`pip config list`: index, proxy), "
                "then `make setup` again"
            )
        what = " ".join(Path(part).name if "/" in part else part for part in command[:4])
        return SetupError(
            f"{what} ... failed:\n{text}\n    all of it: {self.log}",
            fix or "see the lines above, then `make setup` again",
        )
