"""Reading and splitting annotation files of full scale, beside the usual way, in one run.

``python benchmarks/annotations.py [--scale 1] [--cases coco lvis objects365] [--folder build]``
makes files of the size and in the format of COCO train2017, LVIS v1 train and Objects365 v2 train
(and COCO's once more, indented and with sorted keys; ids are neither consecutive nor in order), and
prints seconds, processor time and peak memory of

- plain: reading the file, and nothing else;
- ours: `gbss.splits.annotations.read`, with all checks and the file's SHA-256;
- usual: ``json.load`` and the index of pycocotools, as in the released scripts; left out where it
  would not fit in memory;
- split: ours, a draw, and the four files that a split writes.

Each runs in a fresh process; the made files are removed. Needs Linux's /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from made.full_scale import CASES, make
from pycocotools.coco import COCO

from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.coco_files import write_validation
from gbss.splits.files import write_split
from gbss.splits.recipe import Recipe

GIB = 1 << 30
BLOCK = 1 << 20
DISK = {"coco": 1, "coco-indented": 2, "lvis": 2, "objects365": 12}
"""GiB that a file and its split take."""

SHOTS = 10
"""Boxes per minority class; the rarer quarter of the classes that have so many are minority."""

USUAL_MEMORY = {"coco": 6, "coco-indented": 5, "lvis": 6.5, "objects365": 4.2}
"""Bytes of memory that the usual way takes per byte of a file, about."""


def plain(path: Path) -> None:
    with path.open("rb") as stream:
        while stream.read(BLOCK):
            pass


def ours(path: Path) -> None:
    read(path)


def usual(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        COCO(path)


def split(path: Path) -> None:
    annotations = read(path)
    boxes = np.bincount(annotations.box_classes, minlength=len(annotations.names))
    enough = [name for name, count in zip(annotations.names, boxes, strict=True) if count >= SHOTS]
    recipe = Recipe(minority=tuple(enough[-len(enough) // 4 :]), shots=SHOTS)
    drawn = build_split(annotations, recipe)
    folder = path.parent / "split"
    write_split(drawn, annotations, lists=folder / "lists", coco=folder)
    write_validation(annotations, folder / "val.json")
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Cost:
    """What a way takes: seconds by the clock, of the processor, and GiB at the peak."""

    seconds: float
    processor: float
    peak: float

    def line(self, name: str, more: str = "") -> str:
        numbers = f"{self.seconds:8.2f} s {self.processor:8.2f} s CPU {self.peak:6.2f} GiB"
        return f"  {name:6} {numbers}   {more}".rstrip()


def measured(name: str, path: Path) -> Cost:
    """Costs in a fresh process, its imports left out (but for memory)."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (name, path))


def _measured(name: str, path: Path) -> Cost:
    start, processor = time.perf_counter(), time.process_time()
    {"plain": plain, "ours": ours, "usual": usual, "split": split}[name](path)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    # getrusage would not do: a child starts with its parent's peak.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line[:6] == "VmHWM:")
    return Cost(seconds, processor, peak * 1024 / GIB)


def available() -> int:
    """Bytes of memory that are free for use."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line[:13] == "MemAvailable:") * 1024


def compare(name: str, path: Path) -> None:
    size = path.stat().st_size
    print(f"{name}: {size / 1e6:,.0f} MB")
    plain(path)  # Into the system's cache, if it fits.
    base, fast = measured("plain", path), measured("ours", path)
    print(base.line("plain"))
    print(fast.line("ours", f"{fast.seconds / base.seconds:.0f}x plain"))
    if USUAL_MEMORY[name] * size > available():
        need, free = USUAL_MEMORY[name] * size / GIB, available() / GIB
        print(f"  usual  left out: needs about {need:.0f} GiB, and {free:.0f} GiB are free")
    else:
        slow = measured("usual", path)
        time_ratio, memory_ratio = slow.seconds / fast.seconds, slow.peak / fast.peak
        more = f"{time_ratio:.1f}x the time, {memory_ratio:.1f}x the memory of ours"
        print(slow.line("usual", more))
    whole = measured("split", path)
    print(whole.line("split", f"{whole.seconds / base.seconds:.0f}x plain"), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    for name in arguments.cases:
        need, free = arguments.scale * DISK[name] * GIB, shutil.disk_usage(arguments.folder).free
        if need > free:
            sizes = f"needs {need / GIB:.0f} GiB of disk, and {free / GIB:.0f} are free"
            print(f"{name}: left out: {sizes}")
            continue
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            path = Path(folder) / f"{name}.json"
            make(CASES[name], arguments.scale, path)
            compare(name, path)


if __name__ == "__main__":
    main()
