"""A table of the grid from the records that are published."""

from __future__ import annotations

from pathlib import Path

from gbss import tasks
from gbss.grid import Grid
from gbss.reporting.records import load_records
from gbss.reporting.tables import Table, build_table


def published_table(grid: Grid, name: str, results: Path) -> Table:
    """Puts a table together from what stands under a folder of results.

    Args:
        grid: Rows, tables and scale; the table's task has a place there.
        name: Which table.
        results: Holds ``runs/<scale>/<task>/<row>/seed-<k>.json``.

    Raises:
        GbssError: A record cannot be read, or was made with other settings than those of today.
    """
    scale, spec = grid.scale, grid.experiments.tables[name]
    task = tasks.get(scale.tasks[spec.task])
    rows = grid.experiments.rows_of(name)
    records = {
        row.id: load_records(results / "runs", scale.scale, task.name, row.id, scale.settings(row))
        for row in rows
    }
    return build_table(
        spec,
        rows,
        records,
        scale=scale.scale,
        summary=scale.summary,
        task=task,
        planned_seeds=scale.seeds,
    )
