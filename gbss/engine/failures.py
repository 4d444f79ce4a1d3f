"""Why a run failed, in one place; by its own fault it is not started again unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from gbss.errors import GbssError, Stopped, fail
from gbss.grid.place import MODEL
from gbss.locks import locked
from gbss.notes import FAILURE, clear_failure, read_failure, write_failure


@contextmanager
def recorded(folder: Path, identity: str | None, iteration: Callable[[], int]) -> Iterator[None]:
    """Leaves ``failed.json`` if the block ends with an error.

    One of our own - NaN, bad data - would come again, so it stops the next attempt. Whatever else
    it is - no memory, a GPU's error, a full disk - may be gone then: it is told, and stops nothing.

    Args:
        folder: Of the run.
        identity: Of the run; None: nobody knows yet, and the next attempt finds the error again.
        iteration: How many iterations are finished.
    """
    try:
        yield
    except GbssError as error:
        # A loading process hands its error on as text, behind its whole traceback.
        text = str(error).rsplit("GbssError: ", 1)[-1].strip()
        before = read_failure(folder)
        # An image that cannot be found now is no reason to train again what ended in NaN.
        if identity is not None or before is None or before.identity is None or not before.stops:
            write_failure(folder, text, iteration(), identity)
        raise
    except Stopped:
        raise
    except Exception as error:
        # The first one: processes that lose another one fail in turn, of that alone.
        if read_failure(folder) is None:
            text = f"{type(error).__name__}: {error}"
            write_failure(folder, text, iteration(), identity, stops=False)
        raise


@contextmanager
def before_training(folder: Path) -> Iterator[None]:
    """Leaves ``failed.json`` if a training cannot be started on this machine.

    Another process may train this run just now, or have finished it; then this attempt alone
    failed, not the run.

    Args:
        folder: Of the run.
    """
    try:
        yield
    except Exception:
        with (
            suppress(Exception),
            locked(folder, "starting a training", patience=0),
            nullcontext() if (folder / MODEL).exists() else recorded(folder, None, lambda: 0),
        ):
            raise
        raise


@contextmanager
def after_training(folder: Path, iterations: int) -> Iterator[None]:
    """Leaves ``failed.json`` if a later step of a finished run fails; forgets an earlier failure.

    Of a run that is not finished its training tells, and nothing else.

    Args:
        folder: Of the run.
        iterations: Of its training.
    """
    if not (folder / MODEL).exists():
        yield
        return
    clear_failure(folder)
    with recorded(folder, None, lambda: iterations):
        yield


def refuse_repetition(folder: Path, identity: str, *, again: bool) -> None:
    """Stops a run that would fail as it did before.

    Args:
        folder: Of the run; its lock is held.
        identity: Of the run as it is now.
        again: Start it all the same.

    Raises:
        GbssError: It failed with this identity.
    """
    failure = read_failure(folder)
    if failure is None or again or not failure.stops or failure.identity != identity:
        clear_failure(folder)
        return
    when = datetime.fromtimestamp(failure.time, UTC).isoformat(sep=" ", timespec="minutes")
    raise fail(
        str(folder),
        found=f"this run failed after iteration {failure.iteration} ({when}, on {failure.host}):\n"
        f"{failure.error}",
        expected="other settings or inputs than those it failed with",
        fix=f"remove the cause; if that is none of the settings or annotations, then start it with "
        f"`gbss train ... --again`, or remove {folder / FAILURE}",
    )
