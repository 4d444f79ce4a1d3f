"""What a figure is made from: the runs of a few rows on one task, and the files they left."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from gbss.errors import Fault, GbssError, fail
from gbss.evaluation.class_logits import ClassLogits, read_class_logits
from gbss.evaluation.found import Found, read_found
from gbss.evaluation.pseudo_labels import PseudoLabels, read_pseudo_labels
from gbss.evaluation.record import Record
from gbss.experiments import Row
from gbss.files import read_json
from gbss.grid import Place
from gbss.grid.logs import Arrays, read_losses, read_training_log
from gbss.reporting.records import load_records, outdated
from gbss.scales import Scale
from gbss.splits.annotations import Annotations
from gbss.splits.annotations import read as read_annotations
from gbss.tasks import Task

Item = TypeVar("Item")


class Need(StrEnum):
    """A file that a run leaves, by the command that writes it."""

    LOG = "train"
    DETECTIONS = "detect"
    RECORD = "record"
    PSEUDO_LABELS = "pseudo-labels"
    CLASS_LOGITS = "class-logits"


@dataclass(frozen=True, eq=False)
class Study:
    """The runs that a figure compares.

    Attributes:
        scale: Their scale.
        task: Their task at that scale; it may stand in for the one that the rows name.
        rows: What is compared, the baseline first, ours last.
        results: Folder of results; holds the records.
        class_name: The class that a figure of one class shows; None: the figure's choice.
        optional: Ids of the rows that are left out while they have no run.
    """

    scale: Scale
    task: Task
    rows: tuple[Row, ...]
    results: Path
    class_name: str | None = None
    optional: frozenset[str] = frozenset()

    @cached_property
    def group_of(self) -> Mapping[str, str]:
        """Class → group, in the order of the task's groups."""
        return {name: group for group, names in self.task.groups.items() for name in names}

    @cached_property
    def truth(self) -> Annotations:
        """The annotations of the validation images."""
        return read_annotations(self._split / "val.json", self.task.classes)

    @cached_property
    def hidden(self) -> Annotations:
        """The annotations of the unlabeled images, which training never sees."""
        return read_annotations(self._split / "unlabeled_hidden.json", self.task.classes)

    @property
    def _split(self) -> Path:
        return Path("build/splits") / self.task.name

    def labeled_boxes(self) -> dict[str, int]:
        """Class → boxes that training sees.

        Raises:
            GbssError: There is no split, or it is one of other classes.
        """
        path = Path("splits") / self.task.name / "counts.csv"
        fix = f"build the split: gbss split {self.task.name}"
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
            found = {row["name"]: int(row["labeled_boxes"]) for row in rows}
        except FileNotFoundError as error:
            raise fail(
                str(path), found="no such file", expected="counts of a split", fix=fix
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise fail(
                str(path), found=f"unreadable: {error!r}", expected="counts of a split", fix=fix
            ) from error
        if found.keys() != set(self.task.classes):
            expected = f"the {len(self.task.classes)} classes of {self.task.name}"
            raise fail(str(path), found="other classes", expected=expected, fix=fix)
        return found

    def file(self, need: Need, place: Place) -> Path:
        """Where a run leaves a file."""
        return {
            Need.LOG: place.training_log,
            Need.DETECTIONS: place.detections,
            Need.RECORD: place.record(self.results),
            Need.PSEUDO_LABELS: place.pseudo_labels,
            Need.CLASS_LOGITS: place.class_logits,
        }[need]

    def annotations(self, needs: Sequence[Need]) -> list[Path]:
        """The annotation files that go with what runs left."""
        files = []
        if Need.DETECTIONS in needs:
            files.append(self._split / "val.json")
        if Need.PSEUDO_LABELS in needs:
            files.append(self._split / "unlabeled_hidden.json")
        return files

    def places(self, row: Row) -> list[Place]:
        """The planned runs of a row."""
        return [Place(self.scale.scale, self.task.name, row.id, seed) for seed in self.scale.seeds]

    def has(self, row: Row, need: Need) -> bool:
        """Whether any run of a row has left a file."""
        return any(self.file(need, place).exists() for place in self.places(row))

    def present(self, needs: Sequence[Need]) -> Study:
        """The study without the optional rows that have no run."""
        rows = [
            row
            for row in self.rows
            if row.id not in self.optional or all(self.has(row, need) for need in needs)
        ]
        return replace(self, rows=tuple(rows))

    def missing(self, needs: Sequence[Need]) -> list[Fault]:
        """Rows without a single run that has left the files a figure needs, with the remedy."""
        faults = []
        for need in needs:
            for row in self.rows:
                if not self.has(row, need):
                    first = self.places(row)[0]
                    faults.append(
                        Fault(
                            str(self.file(need, first)),
                            found="no such file, nor one of another seed",
                            expected=f"what a finished run of the row {row.id!r} leaves",
                            fix=self._remedy(need, first),
                        )
                    )
        return faults

    def _remedy(self, need: Need, place: Place) -> str:
        which = f"--scale {self.scale.scale} --row {place.row} --seed {place.seed}"
        steps = [] if place.model.exists() else [f"gbss train {which}"]
        if need is not Need.LOG:
            steps.append(f"gbss {need} {which}")
        commands = " and ".join(f"`{step}`" for step in steps or [f"gbss train {which}"])
        return f"{commands}; or let Snakemake make the figure, which trains what it needs"

    def logs(self) -> Iterator[tuple[Row, int, Arrays]]:
        """Row, seed and training log of each run that has one."""
        return self._each(Need.LOG, read_training_log)

    def losses(self) -> Iterator[tuple[Row, int, Arrays]]:
        """Row, seed and logged losses."""
        return self._each(Need.LOG, lambda path: read_losses(path.parent))

    def detections(self) -> Iterator[tuple[Row, int, Found]]:
        """Row, seed and detections in the validation images."""
        return self._each(Need.DETECTIONS, lambda path: read_found(path, self.truth))

    def pseudo_labels(self) -> Iterator[tuple[Row, int, PseudoLabels]]:
        """Row, seed and detections in unlabeled images."""
        return self._each(Need.PSEUDO_LABELS, read_pseudo_labels)

    def class_logits(self) -> Iterator[tuple[Row, int, ClassLogits]]:
        """Row, seed and logits on annotated boxes."""
        return self._each(Need.CLASS_LOGITS, read_class_logits)

    def records(self) -> Iterator[tuple[Row, int, Record]]:
        """Row, seed and record.

        Raises:
            GbssError: A record was made with other settings than those of today.
        """
        for row in self.rows:
            settings = self.scale.settings(row)
            runs = self.results / "runs"
            for record in load_records(runs, self.scale.scale, self.task.name, row.id, settings):
                yield row, record["run"]["seed"], record

    def _each(self, need: Need, read: Callable[[Path], Item]) -> Iterator[tuple[Row, int, Item]]:
        for row in self.rows:
            for place in self.places(row):
                if (path := self.file(need, place)).exists():
                    self._check(row, place)
                    yield row, place.seed, read(path)

    def _check(self, row: Row, place: Place) -> None:
        """Refuses a run of other settings: it would pass for something that it is not."""
        settings = read_json(place.manifest, what="manifest of a run").get("settings", {})
        if faults := outdated(settings, self.scale.settings(row), str(place.manifest)):
            raise GbssError(*faults)
