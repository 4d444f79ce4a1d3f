"""Lists of classes that are too long for code, in files beside this one."""

from __future__ import annotations

import csv
from pathlib import Path


def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of ``gbss/tasks/<name>.csv``, by ascending category id."""
    with Path(__file__).with_name(f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))
