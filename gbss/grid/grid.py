"""Rows and tables with a place at a scale; the Snakefile and the command line both ask here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbss.errors import GbssError, fail, nearest
from gbss.evaluation import record as run_record
from gbss.experiments import Experiments, Row
from gbss.grid.place import Place
from gbss.scales import Scale


@dataclass(frozen=True)
class Grid:
    """What can be trained and shown at a scale.

    Attributes:
        scale: Gives the tasks and seeds.
        experiments: All rows and tables.
    """

    scale: Scale
    experiments: Experiments

    def rows(self) -> list[Row]:
        """Rows whose task has a place at the scale, in the order of the experiments."""
        return [row for row in self.experiments.rows.values() if self.scale.task_of(row.task)]

    def tables(self) -> list[str]:
        """Tables whose task has a place at the scale."""
        return [
            name for name, spec in self.experiments.tables.items() if self.scale.task_of(spec.task)
        ]

    def places(self, rows: Iterable[Row]) -> list[Place]:
        """The planned runs of rows: one for each seed."""
        return [
            Place(self.scale.scale, task, row.id, seed)
            for row in rows
            if (task := self.scale.task_of(row.task))
            for seed in self.scale.seeds
        ]

    def is_kept(self, place: Place, results: Path) -> bool:
        """Whether a run is there as a published record alone, made with the settings of today.

        Nothing makes such a record here: its checkpoints and detections are elsewhere. Asking
        for other runs must not train it again.
        """
        path = place.record(results)
        if not path.exists() or place.evaluated.exists():
            return False
        try:
            return fits(run_record.read(path)["settings"], self.settings(place))
        except GbssError:
            return False

    def settings(self, place: Place) -> dict[str, Any]:
        """What a run would be made with today."""
        return self.scale.settings(self.experiments.rows[place.row])

    def iterations(self, row: str) -> int:
        """Length of a row's training; it may differ from task to task."""
        return self.scale.of(self.experiments.rows[row].task).schedule.iterations

    def chosen(self, targets: Sequence[str]) -> tuple[list[Row], list[str]]:
        """The rows that targets of the workflow train, and the tables that they render.

        Rows that others start from are among them.

        Args:
            targets: ``all``, ``all_tables``, ``table_<name>`` or ``row_<name>``.

        Raises:
            GbssError: A target is unknown at this scale.
        """
        by_target = {f"row_{row.id.replace('-', '_')}": row for row in self.rows()}
        rows: dict[str, Row] = {}
        tables: dict[str, None] = {}
        for target in targets:
            if target in ("all", "all_tables"):
                tables |= dict.fromkeys(self.tables())
            elif target.removeprefix("table_") in self.tables():
                tables[target.removeprefix("table_")] = None
            elif target in by_target:
                rows[by_target[target].id] = by_target[target]
            else:
                known = ["all_tables", *(f"table_{name}" for name in self.tables()), *by_target]
                raise fail(
                    f"target at the scale {self.scale.scale!r}",
                    found=repr(target),
                    expected=nearest(target, known),
                    fix="correct the name",
                )
        for table in tables:
            rows |= {row.id: row for row in self.experiments.rows_of(table)}
        starts = {row.retrains for row in rows.values() if row.retrains}
        rows |= {start: self.experiments.rows[start] for start in starts}
        return [row for row in self.rows() if row.id in rows], list(tables)


def fits(made_with: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether something was made with these settings; it may name more."""
    return all(made_with.get(key) == value for key, value in settings.items())
