"""mmcv with its compiled operators, for `install.py`: mmcv is published as source only.

A finished wheel is kept in a cache, under a name that tells all that it depends on. An interrupted
compilation goes on with the objects that are already there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sysconfig
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import Environment, SetupError, Show, duration, require_space

DEFAULT_ARCHITECTURES = "8.0;8.6;9.0+PTX"
"""CUDA architectures where no GPU can be asked: A100, RTX 30, H100; +PTX: newer ones, too."""

PROBE = """
import json, re, subprocess, torch
from torch.utils.cpp_extension import CUDA_HOME
try:
    said = subprocess.run([f"{CUDA_HOME}/bin/nvcc", "--version"], capture_output=True, text=True)
    nvcc = re.search(r"release ([0-9.]+)", said.stdout)
except OSError:
    nvcc = None
gpus = [torch.cuda.get_device_capability(k) for k in range(torch.cuda.device_count())]
print(json.dumps({
    "torch": torch.__version__, "cuda": torch.version.cuda, "nvcc": nvcc and nvcc[1],
    "gpus": sorted({f"{major}.{minor}" for major, minor in gpus}, key=float),
}))
"""


@dataclass(frozen=True)
class Target:
    """What mmcv is compiled for.

    Attributes:
        torch: torch's version with its local label, ``2.13.0+cpu``.
        device: ``cpu``, or ``cuda13.0-8.0_9.0+PTX``: toolkit and architectures.
        settings: Environment variables for the compilation.
        summary: One line for the user.
    """

    torch: str
    device: str
    settings: Mapping[str, str]
    summary: str


def choose_target(
    torch: str,
    cuda: str | None,
    nvcc: str | None,
    gpus: Sequence[str],
    architectures: str | None,
) -> Target:
    """Compiles for GPUs if torch is a CUDA build and the toolkit of that version is there.

    Args:
        torch: torch's version with its local label.
        cuda: The CUDA version that torch was built for; None: torch for CPUs.
        nvcc: The release of the CUDA compiler; None: there is none.
        gpus: Compute capabilities of the visible GPUs, ascending.
        architectures: The user's TORCH_CUDA_ARCH_LIST.
    """
    # Without hiding the GPUs mmcv would take the CUDA path wherever torch sees one.
    on_cpu = {"FORCE_CUDA": "0", "CUDA_VISIBLE_DEVICES": ""}
    if cuda is None:
        return Target(torch, "cpu", on_cpu, "Training runs on the CPU: torch is a CPU build.")
    if nvcc is None or nvcc.split(".")[0] != cuda.split(".")[0]:
        found = "no CUDA compiler (nvcc)" if nvcc is None else f"the CUDA toolkit {nvcc}"
        return Target(
            torch,
            "cpu",
            on_cpu,
            f"TRAINING RUNS ON THE CPU ONLY: torch is built for CUDA {cuda}, but setup found "
            f"{found}.\n    to do, for GPUs: install or load the CUDA toolkit {cuda} (CUDA_HOME "
            "or nvcc on PATH), remove the environment, then `make setup` again",
        )
    chosen = architectures or (f"{';'.join(gpus)}+PTX" if gpus else DEFAULT_ARCHITECTURES)
    label = re.sub(r"[; ]+", "_", chosen)
    return Target(
        torch,
        f"cuda{nvcc}-{label}",
        {"FORCE_CUDA": "1", "TORCH_CUDA_ARCH_LIST": chosen},
        f"Training runs on GPUs of architecture {chosen} (TORCH_CUDA_ARCH_LIST) and on the CPU.",
    )


def target(env: Environment) -> Target:
    """Asks the installed torch, the CUDA toolkit and the GPUs."""
    found = json.loads(env.ask(PROBE))
    return choose_target(**found, architectures=os.environ.get("TORCH_CUDA_ARCH_LIST"))


def wheel_name(mmcv: str, python: str) -> str:
    """How the names of a version's cache folders begin.

    Args:
        mmcv: The pin, ``onedl-mmcv==2.3.6``.
        python: The environment's Python, ``3.11.7``.
    """
    tag = "cp" + "".join(python.split(".")[:2])
    return f"{mmcv.replace('==', '-')}-{tag}-{sysconfig.get_platform()}"


def require_compiler() -> None:
    """Stops early, before anything large is fetched, if nothing can be compiled."""
    compiler = os.environ.get("CXX", "c++").split()[0]
    if shutil.which(compiler) is None:
        raise SetupError(
            f"mmcv has to be compiled; found no C++ compiler {compiler!r} on PATH",
            "install one (Debian, Ubuntu: apt-get install g++; a cluster: module load gcc), "
            "or name it in CXX",
        )
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        raise SetupError(
            f"mmcv has to be compiled; found no {header}",
            "install Python's headers (Debian, Ubuntu: apt-get install python3-dev)",
        )


def find_or_build(env: Environment, mmcv: str, for_what: Target, wheels: Path) -> Path:
    """The wheel from the cache, which it is put into first if it is not there.

    Args:
        env: The environment; build tools, numpy and torch are installed in it.
        mmcv: The pin.
        for_what: What to compile for.
        wheels: The cache.
    """
    name = wheel_name(mmcv, env.version)
    folder = wheels / f"{name}-torch-{for_what.torch}-{for_what.device}"
    print(f"      {for_what.summary}", flush=True)
    if cached := next(folder.glob("*.whl"), None):
        print(f"      from the cache: {cached}", flush=True)
        return cached
    work = env.log.parent / folder.name
    require_space(work, 2)
    source = fetch_source(env, mmcv, work)
    built = compile_wheel(env, source, work / "wheel", for_what)
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{built.name}.part"
    shutil.copyfile(built, beside)
    cached = beside.replace(folder / built.name)
    shutil.rmtree(work)
    return cached


def fetch_source(env: Environment, mmcv: str, work: Path) -> Path:
    """Downloads and unpacks mmcv's source distribution; returns the folder with setup.py."""
    source = work / "source"
    if not source.exists():
        part = work / "part"
        shutil.rmtree(part, ignore_errors=True)
        options = ["--no-deps", "--no-binary=onedl-mmcv", "--no-build-isolation"]
        env.pip("download", *options, "--dest", str(part), mmcv)
        (archive,) = part.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):  # since Python 3.11.4
                tar.extraction_filter = tarfile.data_filter
            tar.extractall(part)
        part.replace(source)
    (setup,) = source.glob("*/setup.py")
    return setup.parent


def compile_wheel(env: Environment, source: Path, out: Path, for_what: Target) -> Path:
    """Compiles mmcv where its source lies, which keeps the objects of an interrupted try."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    jobs = os.environ.get("MAX_JOBS") or str(max(1, min(cores, int(memory / 2))))
    print(
        f"      compiling with {jobs} jobs (MAX_JOBS): about half an hour's work of one core for "
        "the CPU, several times that for GPUs; done once, then kept in the cache",
        flush=True,
    )
    shutil.rmtree(out, ignore_errors=True)
    options = ["--verbose", "--no-build-isolation", "--no-deps", "--no-cache-dir"]
    env.run(
        [str(env.python), "-m", "pip", "wheel", *options, "--wheel-dir", str(out), str(source)],
        show=ninja_progress(),
        extra={**for_what.settings, "MMCV_WITH_OPS": "1", "MAX_JOBS": jobs},
    )
    (wheel,) = out.glob("*.whl")
    return wheel


def ninja_progress() -> Show:
    """A fresh reader of ninja's ``[12/78] c++ ...`` lines."""
    start = time.monotonic()

    def show(line: str) -> str | None:
        if (found := re.match(r"\s*\[(\d+)/(\d+)\]", line)) is None:
            return None
        done, total = int(found[1]), int(found[2])
        spent = time.monotonic() - start
        left = duration(spent / done * (total - done))
        return f"compiled {done} of {total} files in {duration(spent)}, about {left} left"

    return show
