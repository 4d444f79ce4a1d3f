"""Makes the environment that everything else runs in: `make setup`.

Needs Python, a C++ compiler and a package index; runs without any installed package. Safe to
interrupt and to repeat: finished parts are kept, and nothing is done when all is there.
"""

import sys

OLDEST, NEWEST = (3, 11), (3, 13)
if not OLDEST <= sys.version_info[:2] <= NEWEST:  # before any import that an older Python lacks
    sys.exit(
        "setup: error: found Python %d.%d, expected %d.%d to %d.%d\n"  # noqa: UP031
        "    to do: install one of these and name it: make setup PYTHON=python3.11"
        % (sys.version_info[:2] + OLDEST + NEWEST)
    )

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import signal
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mmcv_wheel
from commands import Environment, SetupError, require_space, step

ROOT = Path(__file__).resolve().parents[2]
STEPS = 5
PYTHON = platform.python_version()


def fingerprint(project: dict[str, object], python: str, folder: Path) -> dict[str, str]:
    """What an environment was made from; unequal to the kept one when it has to be made anew.

    Args:
        project: pyproject.toml as parsed. Settings of linters and tests do not count.
        python: The version of the environment's Python.
        folder: Where the environment lies: its scripts hold absolute paths.
    """
    what = {key: project.get(key) for key in ("build-system", "project", "dependency-groups")}
    content = json.dumps(what, sort_keys=True).encode()
    for script in sorted(Path(__file__).parent.glob("*.py")):
        content += script.read_bytes()
    return {
        "made from": hashlib.sha256(content).hexdigest(),
        "python": python,
        "folder": str(folder),
    }


def requirements(project: dict[str, object]) -> list[str]:
    """All pins of pyproject.toml, those of the extras included, in their order there."""
    table = project["project"]
    assert isinstance(table, dict)
    lists = [table["dependencies"], *table["optional-dependencies"].values()]
    return [pin for pins in lists for pin in pins]


def pins_of(names: Sequence[str], pins: Sequence[str]) -> list[str]:
    """The pins (``torch==2.13.0``) of some packages; each of them has one."""
    found = {pin.partition("==")[0]: pin for pin in pins}
    return [found[name] for name in names]


def make_environment(env: Environment, *, stale: bool) -> None:
    """Makes the virtual environment, anew if it is stale; leaves all others to their owner."""
    if env.python.exists() and not (stale and env.is_venv):
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError(
            f"{sys.executable}: found no module ensurepip, expected Python with venv",
            f"install it (Debian, Ubuntu: apt-get install python3.{sys.version_info[1]}-venv)",
        )
    # The base interpreter: this one may live in the folder that is about to be cleared.
    python = getattr(sys, "_base_executable", sys.executable)
    env.run([python, "-m", "venv", "--clear", str(env.folder)])


def install(env: Environment, project: dict[str, object]) -> str:
    """Installs everything into an existing environment.

    Returns:
        One line that says what mmcv's operators were compiled for.
    """
    pins = requirements(project)
    groups = project["dependency-groups"]
    assert isinstance(groups, dict)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    wheels = Path(os.environ.get("GBSS_WHEELS") or f"{cache}/gbss/wheels").expanduser()
    (mmcv,) = pins_of(["onedl-mmcv"], pins)

    with step(2, STEPS, "build tools, numpy and torch"):
        if not any(wheels.glob(f"{mmcv_wheel.wheel_name(mmcv, env.version)}-*/*.whl")):
            mmcv_wheel.require_compiler()
        tools = groups["build"]
        # First a pip that tells how much of a download is there.
        env.run([str(env.python), "-m", "pip", "install", *pins_of(["pip"], tools)])
        env.pip("install", *tools, *pins_of(["numpy", "torch"], pins))
    with step(3, STEPS, f"{mmcv}, compiled against this torch"):
        target = mmcv_wheel.target(env)
        wheel = mmcv_wheel.find_or_build(env, mmcv, target, wheels)
        env.pip("install", "--no-deps", "--force-reinstall", str(wheel))
    with step(4, STEPS, "everything else"):
        env.pip("install", *pins)
        # Both opencv packages own the folder cv2. Last comes the one that needs no libGL.
        (headless,) = pins_of(["opencv-python-headless"], pins)
        env.pip("install", "--no-deps", "--force-reinstall", headless)
    with step(5, STEPS, "gbss itself, and a check"):
        env.pip("install", "--no-build-isolation", "--no-deps", "--editable", str(ROOT))
        env.pip("check")
        env.run([str(env.python), "-c", "import cv2, mmcv.ops"], fix=f"delete {wheel.parent}")
    return target.summary


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Holds a lock that lives as long as this process and its children; waits for others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("setup: another setup is running here; waiting for it to end", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield stream.fileno()


def setup(folder: Path) -> None:
    """Brings the environment in ``folder`` up to date with pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    stamp = folder / ".gbss-setup.json"
    with locked(ROOT / "build/setup/lock") as lock:
        env = Environment(folder, log=ROOT / "build/setup/setup.log", lock=lock)
        version = env.version if env.python.exists() and not env.is_venv else PYTHON
        wanted = fingerprint(project, version, folder)
        kept = json.loads(stamp.read_text()) if stamp.exists() else {}
        if kept == wanted and env.python.exists():
            print(f"setup: {folder} is up to date")
            return
        stamp.unlink(missing_ok=True)
        env.log.write_text("")
        print(f"setup: into {folder}; every detail goes to {env.log}", flush=True)
        with step(1, STEPS, f"environment with Python {version}"):
            require_space(folder, 1 if kept else 4)
            require_space(Path(tempfile.gettempdir()), 1)
            stale = any(kept.get(key, wanted[key]) != wanted[key] for key in ("python", "folder"))
            make_environment(env, stale=stale)
        summary = install(env, project)
        beside = stamp.with_suffix(".part")
        beside.write_text(json.dumps(wanted))
        beside.replace(stamp)
        print(f"setup: done. {summary}")
        if env.is_venv:
            print(f"    for `snakemake` and `gbss` by name: source {folder}/bin/activate")


def main() -> int:
    """Returns the exit status: 0, 1 after an error, 130 when interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--env", type=Path, default=ROOT / ".venv", help="environment to make or to fill"
    )
    folder = parser.parse_args().env.expanduser().absolute()
    # To be told to end means the same as Ctrl-C: end what was started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        setup(folder)
    except SetupError as error:
        print(f"setup: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; `make setup` goes on where it stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
