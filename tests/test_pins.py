"""The pins: exact, the same behind both doors, and fit for the Pythons that setup accepts."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
EXACT = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*")
LEFT_TO_SETUP = {"onedl-mmcv", "pip"}


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(pyproject: dict[str, Any]) -> list[str]:
    project = pyproject["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [pin for pins in [*lists, pyproject["dependency-groups"]["build"]] for pin in pins]


@pytest.fixture(scope="module")
def conda() -> list[Any]:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text)["dependencies"])


def test_every_pin_is_exact(pins: list[str]) -> None:
    assert [pin for pin in pins if not EXACT.fullmatch(pin)] == []


def test_no_package_is_pinned_twice(pins: list[str]) -> None:
    names = [pin.partition("==")[0] for pin in pins]
    assert sorted(names) == sorted(set(names))


def test_environment_yml_has_the_same_pins(pins: list[str], conda: list[Any]) -> None:
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    expected = {pin for pin in pins if pin.partition("==")[0] not in LEFT_TO_SETUP}
    missing, extra = sorted(expected - set(pip)), sorted(set(pip) - expected)
    assert not missing, f"add to the pip list of environment.yml: {missing}"
    assert not extra, f"remove from the pip list of environment.yml: {extra}"


def test_conda_brings_the_oldest_python(pyproject: dict[str, Any], conda: list[Any]) -> None:
    oldest = re.match(r">=(\d+\.\d+)", pyproject["project"]["requires-python"])
    assert oldest is not None
    assert f"python={oldest[1]}" in conda


def test_setup_accepts_the_pythons_of_the_package(pyproject: dict[str, Any]) -> None:
    source = (ROOT / "workflow/scripts/install.py").read_text(encoding="utf-8")
    values = re.search(r"^OLDEST, NEWEST = (.+)$", source, re.MULTILINE)
    assert values is not None
    (major, oldest), (_, newest) = ast.literal_eval(values[1])
    expected = f">={major}.{oldest},<{major}.{newest + 1}"
    assert pyproject["project"]["requires-python"] == expected


def test_both_opencv_packages_have_one_version(pins: list[str]) -> None:
    versions = {pin.partition("==")[2] for pin in pins if pin.startswith("opencv-python")}
    assert len(versions) == 1
