"""Checkpoint files of a run: where they lie, and reading them as data."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mmengine.runner.checkpoint
import torch
from mmengine.logging import HistoryBuffer

from gbss.errors import Faults, fail
from gbss.files import atomic_path


def _attribute(owner: object, name: str) -> Any:
    """Stands in for ``getattr``, with which the histories of mmengine name their statistics.

    With ``getattr`` itself, which mmengine allows, a file gets at ``exec``.
    """
    if owner is not HistoryBuffer or name not in ("min", "max", "current", "mean"):
        raise pickle.UnpicklingError(f"the attribute {name!r} of {owner!r} is asked for")
    return getattr(owner, name)


_theirs = mmengine.runner.checkpoint.get_torch_safe_globals


def _allowed() -> list[Any]:
    """What a checkpoint may name besides torch's own: what mmengine allows, without ``getattr``."""
    guarded = (_attribute, "builtins.getattr")
    return [guarded if each is getattr else each for each in _theirs()]


# mmengine reads a checkpoint to resume, and the backbone, with the same list.
mmengine.runner.checkpoint.get_torch_safe_globals = _allowed


def checkpoint_path(folder: Path, iteration: int) -> Path:
    """The checkpoint after so many iterations, under the run's folder."""
    return folder / "checkpoints" / f"iter_{iteration:07d}.pth"


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints of a run, newest first."""
    return sorted((folder / "checkpoints").glob("iter_*.pth"), reverse=True)


def checkpoint_iteration(folder: Path) -> int:
    """Iterations that a resumed run does not repeat."""
    return max(
        (int(path.stem.removeprefix("iter_")) for path in checkpoint_files(folder)), default=0
    )


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint in one step: equal content gives equal bytes, so that checksums tell."""
    # Given a path, torch would write the name of the temporary file into it.
    with atomic_path(path) as beside, beside.open("wb") as stream:
        torch.save(content, stream)


def read_data(path: Path, fix: str) -> Any:
    """Reads a file of torch without running code that it may contain.

    Args:
        path: The file.
        fix: For the message: what to do about a file that cannot be read.

    Raises:
        GbssError: The file is missing, damaged, or holds objects other than data.
    """
    if not path.is_file():
        raise fail(
            str(path),
            found="no such file",
            expected="a checkpoint",
            fix="train the run first, or check the path",
        )
    try:
        with torch.serialization.safe_globals(_allowed()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can be anything to those who parse it
        # torch puts its advice to allow code first.
        told = str(error).rpartition("WeightsUnpickler error:")[2].strip() or "an empty file"
        raise fail(
            str(path),
            found=f"{type(error).__name__}: {told.splitlines()[0]}",
            expected="a checkpoint that holds nothing but data",
            fix=fix,
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint without running code that it may contain.

    Args:
        path: A file written by mmengine's runner or by `gbss.engine`.

    Returns:
        At least ``state_dict`` and ``meta``, which are mappings.

    Raises:
        GbssError: The file is missing, damaged, holds objects other than data, or is no
            checkpoint.
    """
    value = read_data(path, "remove the file: training goes on from the one before it")
    for name in ("state_dict", "meta"):
        if not isinstance(value, dict) or not isinstance(value.get(name), Mapping):
            raise fail(
                str(path),
                found=f"no mapping {name!r}",
                expected="a checkpoint of a detector",
                fix="check the path",
            )
    checkpoint: dict[str, Any] = value
    return checkpoint


def check_fit(
    found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], where: str
) -> None:
    """Refuses weights that are not those of a model.

    Args:
        found: The ``state_dict`` of a checkpoint.
        expected: That of the model.
        where: For the message.

    Raises:
        GbssError: With every weight that is missing, left over or of another shape.
    """
    # The method's own state tells its lengths itself: the pool grows and shrinks.
    with Faults() as faults:
        for name in sorted(found.keys() | expected.keys()):
            shapes = [tuple(of[name].shape) if name in of else None for of in (found, expected)]
            if shapes[0] == shapes[1] or (None not in shapes and name.startswith("method.pool.")):
                continue
            told = ["nothing" if shape is None else f"shape {shape}" for shape in shapes]
            faults.add(
                f"{where}: checkpoint: {name}",
                found=told[0],
                expected=f"{told[1]}, as in the model of this row",
                fix="remove the checkpoint: it is of another row or detector",
            )
