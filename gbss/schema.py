"""Checks plain data (YAML, JSON) against a JSON schema and reports every fault in our own words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn, cast

import jsonschema
import yaml

from gbss.errors import Faults, fail, nearest

WORKFLOW = Path(__file__).resolve().parent.parent / "workflow"
"""The workflow folder of this checkout: schemas, scales and rows."""


class _TextKeys(yaml.SafeLoader):
    """Refuses keys that YAML's own loader takes without a word.

    Of two equal keys it would keep the last, and ``on:`` or ``1:`` are no text for it.
    """

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                given = repr(key.value) if isinstance(key, yaml.ScalarNode) else "in brackets"
                _refuse(key, f"the key {given} is no text; quotes make it one")
            if key.value in seen:
                _refuse(key, f"the key {key.value!r} stands there twice")
            seen.add(key.value)
        return node


def _refuse(key: yaml.Node, problem: str) -> NoReturn:
    raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)


def is_finite(value: object) -> bool:
    """Whether a value is a finite number: no boolean, NaN or infinity, nothing beyond floats."""
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    except OverflowError:
        return False


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# JSON schema takes 2800.0 for an integer, which Python does not, and NaN for a number.
_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": lambda _, value: is_finite(value)}
    ),
)


def read_yaml(path: Path, *, what: str) -> Any:
    """Reads a YAML file; a key that is no text or stands twice in one mapping is an error.

    Args:
        path: The file.
        what: What the file is, for the messages: ``scale``.

    Raises:
        GbssError: The file is missing or not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_TextKeys)
    except OSError as error:
        raise fail(
            str(path),
            found=error.strerror or str(error),
            expected=f"a {what}",
            fix="check the path",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: no UTF-8, or a date like 2020-99-99. Only some errors know their place.
        mark = getattr(error, "problem_mark", None)
        raise fail(
            f"{path}: line {mark.line + 1}" if mark else str(path),
            found=" ".join(str(getattr(error, "problem", None) or error).split()),
            expected=f"a {what} in YAML",
            fix="correct it",
        ) from error


def check_schema(value: Any, schema: Mapping[str, Any], *, source: Path | str) -> None:
    """Raises a `GbssError` that names every place where ``value`` breaks ``schema``.

    Args:
        value: Plain data, as read from YAML or JSON.
        schema: A JSON schema (draft 2020-12).
        source: The file that the value came from, for the messages.
    """
    validator = _Validator(dict(schema))
    errors = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.path)))
    with Faults() as faults:
        for error in errors:
            for cause in _causes(error):
                place = ".".join(map(str, cause.absolute_path)) or "top level"
                _report(faults, cause, f"{source}: {place}")


def _causes(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    """The errors of the branch of a ``oneOf`` that fits best; other errors stand for themselves."""
    branches: dict[Any, list[jsonschema.ValidationError]] = {}
    for cause in error.context or ():
        branches.setdefault(cause.relative_schema_path[0], []).append(cause)
    # A branch for values of another type says nothing about this one.
    fitting = [
        causes
        for causes in branches.values()
        if not any(cause.validator == "type" and not cause.relative_path for cause in causes)
    ]
    if not fitting:
        return [error]
    return min(fitting, key=lambda causes: (sum(map(len, map(_unknown, causes))), len(causes)))


def _unknown(error: jsonschema.ValidationError) -> list[str]:
    """The keys that are refused because the schema does not know them."""
    if error.validator != "additionalProperties" or not isinstance(error.schema, dict):
        return []
    return sorted(set(cast(Any, error.instance)) - set(error.schema.get("properties", {})))


def _report(faults: Faults, error: jsonschema.ValidationError, where: str) -> None:
    # The library types these as possibly unset; errors of its own always have them.
    schema, value, rule = error.schema, cast(Any, error.instance), cast(Any, error.validator_value)
    if error.validator == "additionalProperties" and isinstance(schema, dict):
        for key in _unknown(error):
            faults.add(
                where,
                found=f"the unknown key {key!r}",
                expected=nearest(key, schema.get("properties", {})),
                fix="correct the spelling or remove the key",
            )
    elif error.validator == "required":
        faults.add(
            where,
            found=", ".join(map(str, value)) or "nothing",
            expected=error.message,
            fix="add the missing key",
        )
    elif error.validator == "enum":
        expected, fix = nearest(value, rule), "use one of the known values"
        faults.add(where, found=repr(value), expected=expected, fix=fix)
    elif isinstance(value, float) and not math.isfinite(value):
        expected, fix = "a finite number", "correct the value"
        faults.add(where, found="NaN or infinity", expected=expected, fix=fix)
    else:
        expected = f"{error.validator} {rule!r}"
        if error.validator == "oneOf":
            kinds = dict.fromkeys(str(branch.get("type")) for branch in rule)
            expected = f"type {' or '.join(kinds)}"
        faults.add(where, found=repr(value), expected=expected, fix="correct the value")
