"""Rows and tables with a place at a scale; the Snakefile and the command line both ask here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gbss.errors import GbssError
from gbss.evaluation import record as run_record
from gbss.experiments import Experiments, Row
from gbss.files import read_json
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
        if self.starts_from_outdated(place, results):
            return False
        try:
            return fits(run_record.read(path)["settings"], self.settings(place))
        except GbssError:
            return False

    def is_changed(self, place: Place) -> bool:
        """Whether a run in this folder was trained with other settings than those of today."""
        return self._differs(place, place.manifest)

    def is_outdated(self, place: Place, results: Path) -> bool:
        """Whether anything of a run was made with other settings than those of today.

        That is so of a second stage if it is of the run that it starts from.
        """
        files = (place.manifest, place.evaluated, place.record(results))
        differs = any(self._differs(place, path) for path in files)
        return differs or self.starts_from_outdated(place, results)

    def starts_from_outdated(self, place: Place, results: Path) -> bool:
        """Whether a run starts from another one that `is_outdated`."""
        second = self.experiments.rows[place.row].retrains is not None
        return second and self.is_outdated(self.start_of(place), results)

    def records(self, rows: Iterable[Row], results: Path) -> list[Path]:
        """Published records of rows that a job makes here or has made."""
        places = self.places(rows)
        return [place.record(results) for place in places if not self.is_kept(place, results)]

    def asked(self, rows: Iterable[Row], results: Path) -> list[Path]:
        """What a target asks for that shows all runs of rows.

        A record that is there would do for Snakemake, whatever lies between it and the data. So
        where a record is outdated all of that is asked for, too: what is missing, after a job that
        failed or in a fresh clone, is made again, and with it the record.
        """
        here = list(rows)
        return self.records(here, results) + [
            path
            for place in self.places(here)
            if self.is_outdated(place, results)
            for path in (place.model, place.detections, place.evaluated)
        ]

    def table_files(self, table: str, results: Path) -> tuple[Path, ...]:
        """What a table is rendered to."""
        folder = results / "tables" / self.scale.place
        return tuple(folder / f"{table}.{suffix}" for suffix in ("md", "csv", "tex"))

    def start_of(self, place: Place) -> Place:
        """The run that a run starts from; its row must name one."""
        start = self.experiments.rows[place.row].retrains
        assert start is not None
        return replace(place, row=start)

    def settings(self, place: Place) -> dict[str, Any]:
        """What a run would be made with today."""
        return self.scale.settings(self.experiments.rows[place.row])

    def _differs(self, place: Place, path: Path) -> bool:
        """Whether a file tells other settings; one that cannot be read tells none."""
        if not path.exists():
            return False
        try:
            content = read_json(path, what="file of a run")
        except GbssError:
            return False
        made_with = content.get("settings") if isinstance(content, dict) else None
        return made_with is not None and not fits(made_with, self.settings(place))

    def iterations(self, row: str) -> int:
        """Length of a row's training; it may differ from task to task."""
        return self.scale.of(self.experiments.rows[row].task).schedule.iterations


def fits(made_with: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether something was made with these settings; it may name more."""
    return all(made_with.get(key) == value for key, value in settings.items())
