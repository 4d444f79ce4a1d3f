"""What a run costs: from the records of earlier runs, or from a file of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from gbss.errors import GbssError
from gbss.evaluation import record as run_record
from gbss.experiments import Row
from gbss.grid.place import Place, results_of
from gbss.scales import Scale
from gbss.scales.layout import layout
from gbss.schema import WORKFLOW, check_schema, read_yaml

SPEED = WORKFLOW.parent / "benchmarks/speed.yaml"
"""Detector → seconds that a process takes for one part of a batch, and sizes; `benchmarks/speed.py`
measures them on the machine at hand."""

_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "required": ["seconds_per_part", "source"],
        "properties": {
            "seconds_per_part": {"type": "number", "exclusiveMinimum": 0},
            "source": {"type": "string", "minLength": 1},
            "checkpoint_mb": {"type": "number", "exclusiveMinimum": 0},
            "model_mb": {"type": "number", "exclusiveMinimum": 0},
        },
    },
}


@dataclass(frozen=True)
class Speed:
    """What training takes.

    Attributes:
        seconds: Per iteration, with the processes that the scale asks for.
        source: Who says so, and of what machine.
        checkpoint_mb: Size of a checkpoint in 10^6 bytes; None if nobody says.
        model_mb: Size of the final weights; None if nobody says.
    """

    seconds: float
    source: str
    checkpoint_mb: float | None = None
    model_mb: float | None = None


class Costs:
    """The speeds that are known at a scale.

    Args:
        scale: The scale.
        roots: Folders of published records to learn from: ``results``.
        speeds: The file of measurements.

    Raises:
        GbssError: The file of measurements is broken, or the scale's nodes cannot share a batch.
    """

    def __init__(self, scale: Scale, roots: Sequence[Path], speeds: Path = SPEED) -> None:
        self.scale = scale
        self._roots = (*roots, results_of(scale.scale))
        raw: dict[str, Any] = read_yaml(speeds, what="file of measured speeds")
        check_schema(raw, _SCHEMA, source=speeds)
        measured = dict(raw.get(scale.detector, {}))
        if measured:
            # A process trains its parts of a batch one after the other (docs/decisions/0070).
            measured["seconds"] = measured.pop("seconds_per_part") * layout(scale).parts
        self._measured = Speed(**measured) if measured else None

    def speed(self, task: str, row: Row) -> Speed | None:
        """What training a row takes; None if nothing says so.

        The row's own records come first, then those of other rows of the scale, then the file, in
        which stands the time of a part with as many images as the scale says. A
        record that does not say how many processes trained it was made with those of the scale, it
        is assumed.
        """
        measured = self._measured
        sizes = (measured.checkpoint_mb, measured.model_mb) if measured else (None, None)
        for pattern, what in ((f"{task}/{row.id}/*.json", "the row"), ("*/*/*.json", "other rows")):
            if found := self._of_records(pattern):
                return Speed(fmean(found), f"mean of the records of {what}, this scale", *sizes)
        share = sum(self.scale.images(row)) / self.scale.batch.size
        if measured is None or share == 1:
            return measured
        source = f"{measured.source}; here in proportion to the images of a part"
        return replace(measured, seconds=measured.seconds * share, source=source)

    def _of_records(self, pattern: str) -> list[float]:
        """Seconds per iteration, for the scale's processes, of the records that can be read."""
        processes = layout(self.scale).processes
        found: dict[Path, float] = {}
        for root in self._roots:
            folder = root / "runs" / self.scale.scale
            for path in sorted(folder.glob(pattern)):
                try:
                    training = run_record.read(path)["training"]
                except GbssError:
                    continue  # `gbss status` and the tables tell what is wrong with it
                if training["iterations"]:
                    seconds = training["seconds"] / training["iterations"]
                    # The same parts of a batch, shared by other processes.
                    share = training.get("processes", processes) / processes
                    found.setdefault(path.relative_to(folder), seconds * share)
        return list(found.values())


def disk(place: Place, speed: Speed | None) -> float | None:
    """Bytes that training a run will add, besides logs; None if nothing says so.

    Two checkpoints are kept, and a third is written beside them.
    """
    if speed is None or speed.checkpoint_mb is None or speed.model_mb is None:
        return None
    there = sum(path.stat().st_size for path in place.checkpoints.glob("iter_*.pth"))
    return max(0.0, 1e6 * (3 * speed.checkpoint_mb + speed.model_mb) - there)
