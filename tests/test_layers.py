"""Who may import whom: the contracts of pyproject.toml, and the light door without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIGHT = [
    "cli",
    "data",
    "evaluation",
    "experiments",
    "grid",
    "reporting",
    "rows",
    "scales",
    "splits",
    "tasks",
]
WITHOUT = """
import importlib, pkgutil, sys
for name in ("mmcv", "mmdet", "mmengine", "torch"):
    sys.modules[name] = None  # importing it is an ImportError
package = importlib.import_module(sys.argv[1])
found = pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + ".")
for name in [module.name for module in found]:
    importlib.import_module(name)
"""


def test_contracts_hold() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
    ]
    done = subprocess.run(
        [*command, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("name", LIGHT)
def test_light_code_imports_without_torch(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, f"gbss.{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
