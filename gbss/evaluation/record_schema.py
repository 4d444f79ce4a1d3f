"""The JSON schema of a run record; `gbss.evaluation.record.Record` says what the keys mean."""

from __future__ import annotations

from typing import Any

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
    images=_COUNT,
    per_class={
        "type": "array",
        "minItems": 1,
        "items": _object(
            id={"type": "integer"},
            name=_TEXT,
            group=_TEXT,
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
