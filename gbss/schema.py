"""Checks plain data (YAML, JSON) against a JSON schema and reports every fault in our own words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

from gbss.errors import Faults, fail, nearest


class _UniqueKeys(yaml.SafeLoader):
    """YAML's own loader keeps the last of two equal keys without a word; this one refuses them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} stands there twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, *, what: str) -> Any:
    """Reads a YAML file; a key that stands twice in one mapping is an error.

    Args:
        path: The file.
        what: What the file is, for the messages: ``scale``.

    Raises:
        GbssError: The file is missing or not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise fail(
            str(path),
            found=error.strerror or str(error),
            expected=f"a {what}",
            fix="check the path",
        ) from error
    except yaml.MarkedYAMLError as error:
        line = f": line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise fail(
            f"{path}{line}",
            found=str(error.problem),
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
    validator = jsonschema.Draft202012Validator(dict(schema))
    errors = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.path)))
    with Faults() as faults:
        for error in errors:
            place = ".".join(map(str, error.path)) or "top level"
            _report(faults, error, f"{source}: {place}")


def _report(faults: Faults, error: jsonschema.ValidationError, where: str) -> None:
    # The library types these as possibly unset; errors of its own always have them.
    schema, value, rule = error.schema, cast(Any, error.instance), cast(Any, error.validator_value)
    if error.validator == "additionalProperties" and isinstance(schema, dict):
        known = list(schema.get("properties", {}))
        for key in sorted(set(value) - set(known)):
            faults.add(
                where,
                found=f"the unknown key {key!r}",
                expected=nearest(key, known),
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
        faults.add(
            where,
            found=repr(value),
            expected=nearest(str(value), map(str, rule)),
            fix="use one of the known values",
        )
    else:
        faults.add(
            where,
            found=repr(value),
            expected=f"{error.validator} {rule!r}",
            fix="correct the value",
        )
