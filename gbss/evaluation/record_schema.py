"""What stands in a run record: its types, and the JSON schema of the file."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

METRICS: tuple[Literal["ap"], Literal["ap50"], Literal["ap75"]] = ("ap", "ap50", "ap75")
"""The measures of a record, as fractions: AP@[.5:.95], AP at IoU 0.5, AP at IoU 0.75."""


class Run(TypedDict):
    """What tells one run from another."""

    scale: str
    task: str
    row: str
    seed: int


class Training(TypedDict):
    """The training of a run.

    ``seconds`` is wall-clock time over all its restarts, ``processes`` the number that trained
    together at the last of them; earlier records do not have it.
    """

    iterations: int
    seconds: float
    device: str
    processes: NotRequired[int]


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


class Ends(TypedDict):
    """An interval of an AP, as fractions."""

    low: float
    high: float


class Intervals(TypedDict):
    """How far AP would move with other validation images, see `gbss.evaluation.bootstrap`.

    Attributes:
        resamples: How often the images were drawn.
        seed: Of the drawing.
        level: Share of the drawn AP that an interval holds.
        groups: Group → interval of its AP; None where it has no AP.
    """

    resamples: int
    seed: int
    level: float
    groups: dict[str, Ends | None]


class Record(TypedDict):
    """A run record, version 1 without and version 2 with intervals.

    Attributes:
        model: Which of the two detectors was evaluated: ``teacher`` or ``student``.
        digest: SHA-256 of the resolved settings, see `digest`.
        settings: The resolved settings of the run.
        versions: Versions of the packages it ran with.
        inputs: SHA-256 of each annotation file that it was trained or evaluated with.
        images: Number of images in the evaluation.
        per_class: In the order of ascending category id.
        groups: "all" first.
        intervals: In version 2.
    """

    schema: Literal[1, 2]
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
    intervals: NotRequired[Intervals]


_TEXT = {"type": "string", "minLength": 1}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_COUNT = {"type": "integer", "minimum": 0}
_AP = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def _object(optional: str = "", /, **properties: Any) -> dict[str, Any]:
    """An object with exactly these keys; one may be missing."""
    return {
        "type": "object",
        "properties": properties,
        "required": [key for key in properties if key != optional],
        "additionalProperties": False,
    }


SCHEMA = _object(
    "intervals",
    schema={"enum": [1, 2]},
    run=_object(scale=_TEXT, task=_TEXT, row=_TEXT, seed=_COUNT),
    model={"enum": ["teacher", "student"]},
    digest=_SHA256,
    settings={"type": "object"},
    versions={"type": "object", "additionalProperties": _TEXT},
    training=_object(
        "processes",
        iterations=_COUNT,
        seconds={"type": "number", "minimum": 0},
        device=_TEXT,
        processes={"type": "integer", "minimum": 1},
    ),
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
    intervals=_object(
        resamples={"type": "integer", "minimum": 1},
        seed=_COUNT,
        level={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        groups={
            "type": "object",
            "additionalProperties": {
                "oneOf": [{"type": "null"}, _object(low=_SHARE, high=_SHARE)],
            },
        },
    ),
)
