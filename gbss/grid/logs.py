"""What a run logged of its course: the state of the method, and the losses."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbss.errors import fail

Arrays = dict[str, NDArray[Any]]

_REMAKE = "train the run again, or leave it out of the figure"


def read_training_log(path: Path) -> Arrays:
    """Reads the snapshots of a run, see `gbss.detection.training_log.snapshot`.

    Returns:
        Name → array over T snapshots; ``iteration`` (T,) counts finished ones.

    Raises:
        GbssError: The file is missing or broken.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError as error:
        raise fail(
            str(path), found="no such file", expected="the training log of a run", fix=_REMAKE
        ) from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise fail(
            str(path), found=f"unreadable: {error}", expected="a training log", fix=_REMAKE
        ) from error


def read_losses(folder: Path) -> Arrays:
    """Reads what mmengine logged: losses and learning rate.

    Every start of a run writes a file of its own. What one says of an iteration holds against
    earlier ones: a killed run goes back to its last checkpoint.

    Args:
        folder: The run's folder.

    Returns:
        Name → array over the logged iterations, ascending; ``iter`` (T,); NaN where a line lacks
        a name.

    Raises:
        GbssError: There is no log, or one of them is broken.
    """
    paths = sorted(folder.glob("*/vis_data/scalars.json"))
    lines: dict[int, dict[str, Any]] = {}
    for path in paths:
        # Half a line at the end is one that is being written, or was when the machine died.
        whole = path.read_text(encoding="utf-8").split("\n")[:-1]
        for number, text in enumerate(whole, start=1):
            try:
                line = json.loads(text)
                if "iter" not in line and "AP/all" in line:
                    continue  # a look at the teacher between two iterations
                lines[int(line["iter"])] = line
            except (ValueError, KeyError, TypeError) as error:
                raise fail(
                    f"{path}: line {number}",
                    found=f"{text[:60]!r}",
                    expected="an object with 'iter', as mmengine writes it",
                    fix="remove the line",
                ) from error
    if not lines:
        raise fail(
            str(folder),
            found="no whole line in vis_data/scalars.json",
            expected="mmengine's log",
            fix=_REMAKE,
        )
    ordered = [lines[iteration] for iteration in sorted(lines)]
    names = {name: None for line in ordered for name in line}
    return {
        name: np.array([float(line.get(name, np.nan)) for line in ordered], dtype=np.float64)
        for name in names
    } | {"iter": np.array(sorted(lines))}
