"""`make setup`: what it decides, what it shows, and what it says when something is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import commands
import install
import mmcv_wheel
import pytest

MMCV = "onedl-mmcv==2.3.6"
PROJECT: dict[str, Any] = {
    "build-system": {"requires": ["setuptools"]},
    "project": {
        "dependencies": ["numpy==2.2.6"],
        "optional-dependencies": {"train": ["torch==2.13.0", MMCV]},
    },
    "dependency-groups": {"build": ["ninja==1.13.2"]},
}


@pytest.fixture
def env(tmp_path: Path) -> commands.Environment:
    """An environment that has this test's Python, and nothing else."""
    folder = tmp_path / "env"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(sys.executable)
    return commands.Environment(folder, log=tmp_path / "setup.log", lock=0)


@pytest.mark.parametrize(
    ("cuda", "nvcc", "gpus", "architectures", "device"),
    [
        (None, "13.0", ["9.0"], None, "cpu"),
        ("13.0", None, ["9.0"], None, "cpu"),
        ("13.0", "12.4", ["9.0"], None, "cpu"),
        ("13.0", "13.1", ["7.5", "9.0"], None, "cuda13.1-7.5_9.0+PTX"),
        ("13.0", "13.0", [], None, "cuda13.0-8.0_8.6_9.0+PTX"),
        ("13.0", "13.0", ["9.0"], "8.0 10.0", "cuda13.0-8.0_10.0"),
    ],
)
def test_operators_for_gpus_need_the_toolkit_of_this_torch(
    cuda: str | None, nvcc: str | None, gpus: list[str], architectures: str | None, device: str
) -> None:
    target = mmcv_wheel.choose_target("2.13.0", cuda, nvcc, gpus, architectures)
    assert target.device == device
    assert target.settings["FORCE_CUDA"] == ("0" if device == "cpu" else "1")


@pytest.mark.parametrize(
    ("nvcc", "found"), [(None, "found no CUDA compiler"), ("12.4", "found the CUDA toolkit 12.4")]
)
def test_a_missing_toolkit_is_told_with_its_remedy(nvcc: str | None, found: str) -> None:
    summary = mmcv_wheel.choose_target("2.13.0+cu130", "13.0", nvcc, ["9.0"], None).summary
    assert found in summary
    assert "install or load the CUDA toolkit 13.0" in summary


def test_a_cached_wheel_is_used_for_its_torch_only(
    env: commands.Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cpu = mmcv_wheel.choose_target("2.13.0+cpu", None, None, [], None)
    name = mmcv_wheel.wheel_name(MMCV, env.version)
    wheel = tmp_path / f"wheels/{name}-torch-2.13.0+cpu-cpu/onedl_mmcv.whl"
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    assert mmcv_wheel.find_or_build(env, MMCV, cpu, tmp_path / "wheels") == wheel
    assert str(wheel) in capsys.readouterr().out


def test_progress_of_a_compilation() -> None:
    show = mmcv_wheel.ninja_progress()
    assert show("  building 'mmcv._ext' extension") is None
    shown = show("  [19/76] c++ -MMD -o nms.o nms.cpp")
    assert shown is not None
    assert shown.startswith("compiled 19 of 76 files in 0 s")


def test_progress_of_a_download() -> None:
    show = commands.pip_progress()
    lines = ["  Downloading torch-2.13.0-cp311-x.whl (866.9 MB)", "Progress 30 of 120", "Obtaining"]
    assert [show(line) for line in lines] == [
        "downloading torch-2.13.0-cp311-x.whl (866.9 MB)",
        "downloading torch-2.13.0-cp311-x.whl (866.9 MB): 25 %",
        None,
    ]


def test_only_what_is_installed_counts_for_the_fingerprint() -> None:
    def made_from(project: dict[str, Any], python: str = "3.11.7") -> dict[str, str]:
        return install.fingerprint(project, python, Path("/somewhere/env"))

    other = {**PROJECT, "project": {**PROJECT["project"], "dependencies": ["numpy==2.2.5"]}}
    assert made_from({**PROJECT, "tool": {"ruff": {}}}) == made_from(PROJECT)
    assert made_from(other) != made_from(PROJECT)
    assert made_from(PROJECT, python="3.12.1") != made_from(PROJECT)


def test_pins_are_found_by_name() -> None:
    pins = install.requirements(PROJECT)
    assert pins == ["numpy==2.2.6", "torch==2.13.0", MMCV]
    assert install.pins_of(["torch", "numpy"], pins) == ["torch==2.13.0", "numpy==2.2.6"]


def test_nothing_is_done_when_all_is_there(
    env: commands.Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = ['numpy==2.2.6']\n")
    monkeypatch.setattr(install, "ROOT", tmp_path)
    project = {"project": {"dependencies": ["numpy==2.2.6"]}}
    stamp = env.folder / ".gbss-setup.json"
    stamp.write_text(json.dumps(install.fingerprint(project, env.version, env.folder)))
    install.setup(env.folder)
    assert capsys.readouterr().out == f"setup: {env.folder} is up to date\n"


def test_a_failed_setup_leaves_no_stamp(
    env: commands.Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    monkeypatch.setattr(install, "ROOT", tmp_path)

    def fails(*_: object) -> str:
        raise commands.SetupError("found no network", "check it")

    monkeypatch.setattr(install, "install", fails)
    stamp = env.folder / ".gbss-setup.json"
    stamp.write_text("{}")
    with pytest.raises(commands.SetupError, match="found no network\n    to do: check it"):
        install.setup(env.folder)
    assert not stamp.exists()


def test_a_failed_command_shows_its_last_lines_and_a_remedy(env: commands.Environment) -> None:
    script = "for k in 1 2 3; do echo line $k; done; echo No matching distribution found; exit 3"
    with pytest.raises(commands.SetupError) as raised:
        env.run(["sh", "-c", script])
    message = str(raised.value)
    assert "    | line 3\n    | No matching distribution found" in message
    assert "check the network and pip's settings" in message
    assert env.log.read_text().endswith("line 3\nNo matching distribution found\n")


def test_a_full_disk_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(commands.SetupError, match=r"expected at least 1000000 GiB"):
        commands.require_space(tmp_path / "not/made/yet", 1_000_000)


def test_a_missing_compiler_is_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    with pytest.raises(commands.SetupError, match="found no C\\+\\+ compiler 'no-such-compiler'"):
        mmcv_wheel.require_compiler()
