"""Where the files of one run lie; the rules of the workflow write to the same places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gbss.notes import FAILURE, PROGRESS

BUILD = Path("build")
"""Everything that can be made again."""

MANIFEST = "run.json"
"""In a run's folder: what was run, with what, and for how long."""

MODEL = "model.pth"
"""In a run's folder: the final weights."""

DETECTIONS = "detections.npz"
"""In a run's folder: what its teacher found in the validation images."""

PSEUDO_LABELS = "pseudo_labels.npz"
"""In a run's folder: what its teacher found in unlabeled images."""

CLASS_LOGITS = "class_logits.npz"
"""In a run's folder: the teacher's logits on the objects of the validation images."""

TRAINING_LOG = "training_log.npz"
"""In a run's folder: the state of the method over training."""


@dataclass(frozen=True)
class Place:
    """The files of one run.

    Attributes:
        scale: Name of the scale.
        task: Name of the task at that scale.
        row: Id of the row.
        seed: Seed of the run.
    """

    scale: str
    task: str
    row: str
    seed: int

    def __str__(self) -> str:
        return f"{self.row}, seed {self.seed}, on {self.task}"

    @property
    def folder(self) -> Path:
        """Checkpoints, logs and settings."""
        return BUILD / self.scale / "runs" / self._name

    @property
    def manifest(self) -> Path:
        """What was run, with what, and for how long."""
        return self.folder / MANIFEST

    @property
    def progress(self) -> Path:
        """How far training is; written while it runs."""
        return self.folder / PROGRESS

    @property
    def failure(self) -> Path:
        """Why it failed, if it did."""
        return self.folder / FAILURE

    @property
    def model(self) -> Path:
        """The final weights."""
        return self.folder / MODEL

    @property
    def detections(self) -> Path:
        """What the teacher found in the validation images."""
        return self.folder / DETECTIONS

    @property
    def pseudo_labels(self) -> Path:
        """What the teacher found in unlabeled images."""
        return self.folder / PSEUDO_LABELS

    @property
    def class_logits(self) -> Path:
        """The teacher's logits on the objects of the validation images."""
        return self.folder / CLASS_LOGITS

    @property
    def training_log(self) -> Path:
        """The state of the method over training."""
        return self.folder / TRAINING_LOG

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def evaluated(self) -> Path:
        """The record that the evaluation writes; publishing copies it."""
        return (BUILD / self.scale / "records" / self._name).with_suffix(".json")

    def record(self, results: Path) -> Path:
        """The published record under a folder of results."""
        return (results / "runs" / self.scale / self._name).with_suffix(".json")

    @property
    def _name(self) -> Path:
        return Path(self.task) / self.row / f"seed-{self.seed}"


def results_of(scale: str) -> Path:
    """Where a scale's records and tables go unless another folder is asked for."""
    return BUILD / scale / "results"
