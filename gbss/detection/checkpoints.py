"""Checkpoint files of a run: where they lie, and reading them as data."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import get_torch_safe_globals

from gbss.errors import Faults, fail
from gbss.files import atomic_path


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


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint without running code that it may contain.

    Args:
        path: A file written by mmengine's runner or by `gbss.engine`.

    Returns:
        At least ``state_dict`` and ``meta``.

    Raises:
        GbssError: The file is missing, truncated, holds objects other than data, or is no
            checkpoint.
    """
    if not path.is_file():
        raise fail(
            str(path),
            found="no such file",
            expected="a checkpoint",
            fix="train the run first, or check the path",
        )
    try:
        with torch.serialization.safe_globals(get_torch_safe_globals()):
            value = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise fail(
            str(path),
            found=(str(error) or "an empty file").splitlines()[0],
            expected="a checkpoint that holds nothing but data",
            fix="remove the file: training goes on from the one before it",
        ) from error
    if not isinstance(value, dict) or "state_dict" not in value:
        raise fail(
            str(path),
            found="no 'state_dict'",
            expected="a checkpoint of a detector",
            fix="check the path",
        )
    return value


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
