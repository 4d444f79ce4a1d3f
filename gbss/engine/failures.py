"""A run that failed by its own fault is not started again until something has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gbss.errors import GbssError, fail
from gbss.notes import FAILURE, clear_failure, read_failure, write_failure


@contextmanager
def recorded(folder: Path, identity: str | None, iteration: Callable[[], int]) -> Iterator[None]:
    """Leaves ``failed.json`` if the block ends with one of our own errors: NaN, bad data.

    Whatever else ends it - a signal, a lost node, no memory, a GPU's error, a full disk - may be
    gone at the next attempt, so it is not recorded.

    Args:
        folder: Of the run.
        identity: Of the run; None: the fault was found before training, and is at each start.
        iteration: How many iterations are finished.
    """
    try:
        yield
    except GbssError as error:
        # A loading process hands its error on as text, behind its whole traceback.
        text = str(error).rsplit("GbssError: ", 1)[-1].strip()
        write_failure(folder, text, iteration(), identity)
        raise


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
    if failure is None or again or failure.identity != identity:
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
