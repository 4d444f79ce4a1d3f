"""What stands in a run record: its types, and the JSON schema of the file."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

METRICS: tuple[Literal["ap"], Literal["ap50"], Literal["ap75"]] = ("ap", "ap50", "ap75")
"""The measures of a record, as fractions: AP@[.5:.95], AP at IoU 0.5, AP at IoU 0.75."""


class Run(TypedDict):
    """What tells one run from another."""

    scale: str
    task: str
    row: str
    seed: int


class Training(TypedDict):
    """The training of a run; ``seconds`` is wall-clock time over all its restarts."""

    iterations: int
    seconds: float
    device: str


class ClassNumbers(TypedDict):
    """One class: its non-crowd ground-truth boxes and AP (None without ground truth)."""

    id: int
    name: str
    group: str
    ground_truth: int
    ap: float | None
    ap50: float | None
    ap75: float | None


class GroupNumbers(TypedDict):
    """One group: means over its ``evaluated`` classes, see `gbss.evaluation.groups`."""

    ap: float | None
    ap50: float | None
    ap75: float | None
    classes: int
    evaluated: int


class Record(TypedDict):
    """A run record, version 1.

    Attributes:
        model: Which of the two detectors was evaluated: ``teacher`` or ``student``.
        digest: SHA-256 of the resolved settings, see `digest`.
        settings: The resolved settings of the run.
        versions: Versions of the packages it ran with.
        inputs: SHA-256 of each annotation file that it was trained or evaluated with.
        images: Number of images in the evaluation.
        per_class: In the order of ascending category id.
        groups: "all" first.
    """

    schema: Literal[1]
    run: Run
    model: str
    digest: str
    settings: dict[str, Any]
    versions: dict[str, str]
    training: Training
    inputs: dict[str, str]
    images: int
    per_class: list[ClassNumbers]
    groups: dict[str, GroupNumbers]


_TEXT = {"type": "string", "minLength": 1}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_COUNT = {"type": "integer", "minimum": 0}
_AP = {"type": ["number", "null"], "minimum": 0, "maximum": 1}


def _object(**properties: Any) -> dict[str, Any]:
    """An object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SCHEMA = _object(
    schema={"const": 1},
    run=_object(scale=_TEXT, task=_TEXT, row=_TEXT, seed=_COUNT),
    model={"enum": ["teacher", "student"]},
    digest=_SHA256,
    settings={"type": "object"},
    versions={"type": "object", "additionalProperties": _TEXT},
    training=_object(iterations=_COUNT, seconds={"type": "number", "minimum": 0}, device=_TEXT),
    inputs={"type": "object", "additionalProperties": _SHA256},
    images={"type": "integer", "minimum": 1},
    per_class={
        "type": "array",
        "minItems": 1,
        "items": _object(
            id={"type": "integer"},
            name=_TEXT,
            group={"type": "string", "minLength": 1, "not": {"const": "all"}},
            ground_truth=_COUNT,
            ap=_AP,
            ap50=_AP,
            ap75=_AP,
        ),
    },
    groups={
        "type": "object",
        "additionalProperties": _object(
            ap=_AP, ap50=_AP, ap75=_AP, classes=_COUNT, evaluated=_COUNT
        ),
    },
)
