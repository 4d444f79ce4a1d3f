"""A table of the grid from the records that are published."""

from __future__ import annotations

from pathlib import Path

from gbss import tasks
from gbss.errors import GbssError
from gbss.grid import Grid
from gbss.reporting.records import load_records
from gbss.reporting.tables import Table, build_table, write_table


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
    for row in rows:
        if row.retrains is not None:
            # Numbers of a second stage are those of its first one, too.
            settings = scale.settings(grid.experiments.rows[row.retrains])
            load_records(results / "runs", scale.scale, task.name, row.retrains, settings)
    return build_table(
        spec,
        rows,
        records,
        scale=scale.scale,
        summary=scale.caption,
        task=task,
        planned_seeds=scale.seeds,
    )


def write_tables(grid: Grid, results: Path) -> list[str]:
    """Renders every table that has a run, whatever is missing from it.

    Args:
        grid: Rows, tables and scale.
        results: As for `published_table`.

    Returns:
        Names of the tables that were written; those with broken records are left as they are.
    """
    written = []
    for name in grid.tables():
        try:
            table = published_table(grid, name, results)
        except GbssError:
            continue  # the page tells why
        if any(row.seeds for row in table.rows):
            write_table(table, results / "tables" / grid.scale.place)
            written.append(name)
    return written
