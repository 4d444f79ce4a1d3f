"""Which rows figures compare: the one place to change that."""

from __future__ import annotations

from collections.abc import Sequence

from gbss.errors import Faults, nearest
from gbss.experiments import Experiments, Row

PREFIXES = {
    "coco-split1": "",
    "coco-split2": "split2-",
    "coco-objects365": "objects365-",
    "lvis": "lvis-",
}
"""Task of the paper → how the ids of its rows begin."""

BASE_AND_OURS = ("soft-teacher-rfs", "gbss")
"""The pair that figures compare unless they say otherwise. The paper shows Soft Teacher; its RFS is
part of ours, so that only what GbSS adds differs."""

WITHOUT_AND_WITH_GBR = ("soft-teacher-rfs", "gbss-gbr")
"""Rows that differ in GbR alone."""

OPTIONAL = frozenset({"eqlv2", "daso", "defrcn"})
"""Methods that the paper shows, too: left out while there is no row or run of them."""


def optional_rows(task: str) -> frozenset[str]:
    """The ids that rows of these methods have for a task."""
    return frozenset(PREFIXES.get(task, "") + name for name in OPTIONAL)


def compared_rows(experiments: Experiments, task: str, names: Sequence[str]) -> tuple[Row, ...]:
    """The rows of a task that a figure compares.

    Args:
        experiments: All rows.
        task: The paper's task.
        names: Names of methods, as the ids of rows of COCO split 1, or ids of rows.

    Raises:
        GbssError: The task has no such row; every one that is missing.
    """
    known = {row.id: row for row in experiments.rows.values() if row.task == task}
    prefix, found = PREFIXES.get(task, ""), []
    with Faults() as faults:
        for name in names:
            row = known.get(name, known.get(prefix + name))
            if row is not None:
                found.append(row)
            elif name not in OPTIONAL:
                faults.add(
                    f"row {prefix + name!r}",
                    found=f"no such row of the task {task!r}",
                    expected=nearest(prefix + name, known),
                    fix="add it to workflow/experiments.yaml, or choose others with --rows",
                )
    return tuple(found)
