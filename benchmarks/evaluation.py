"""AP of all groups, beside the official packages, in one run.

``python benchmarks/evaluation.py [--scale 1] [--cases coco lvis] [--ways ...] [--folder build]``
makes ground truth and detections of the sizes of COCO val2017 (5,000 images with 100 detections
each, 80 classes) and of LVIS v1 val (19,809 images with 300, 1,203 classes), and prints seconds,
processor time and peak memory, loading included, of

- ours: AP of every class and of all groups, from detections in columns;
- json: the same, from detections in COCO's result format;
- usual: pycocotools, once for each group of classes, as the released code does; or lvis;
- intervals: ours, and the interval of each group's AP from 1,000 draws of the images.

Each runs in a fresh process; the made files are removed. All of them must state the same AP; the
largest difference is printed, too. The ratios are by the clock, by the processor, and of memory.
Needs Linux's /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import logging
import tempfile
import time
import types
from collections.abc import Callable
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from annotations import GIB, Cost, available
from made import detections as made

USUAL_MEMORY = {"coco": 4700, "lvis": 3500}
"""Bytes of memory that the usual way takes per detection, about."""

Numbers = dict[str, float]
Groups = dict[str, tuple[str, ...]]


def groups_of(name: str, folder: Path) -> Groups:
    """Classes of each group: the fewer half of COCO's is minority; LVIS's as the file says."""
    categories = json.loads((folder / "categories.json").read_text())
    names = [each["name"] for each in categories]
    if name == "coco":
        return {"majority": tuple(names[:40]), "minority": tuple(names[40:])}
    return {
        letter: tuple(each["name"] for each in categories if each["frequency"] == letter)
        for letter in "rcf"
    }


def make(name: str, scale: float, folder: Path) -> None:
    from gbss.evaluation.detections import Detections, write_columns

    case = made.CASES[name]
    content = made.make(
        dataclasses.replace(
            case, images=round(case.images * scale), boxes=round(case.boxes * scale)
        )
    )
    made.write(content, folder)
    (folder / "categories.json").write_text(json.dumps(content.truth["categories"]))
    columns = content.columns
    detections = Detections(
        image_ids=columns[:, 0].astype(np.int64),
        category_ids=columns[:, 6].astype(np.int64),
        boxes=columns[:, 1:5],
        scores=columns[:, 5],
    )
    write_columns(folder / "detections.npz", detections)


def ours(name: str, folder: Path, groups: Groups, file: str = "detections.npz") -> Numbers:
    from gbss.evaluation.groups import group_means
    from gbss.evaluation.per_class import evaluate

    per_class = evaluate(folder / "truth.json", folder / file, protocol=name)
    return {group: mean.ap for group, mean in group_means(per_class, groups).items()}


def from_json(name: str, folder: Path, groups: Groups) -> Numbers:
    return ours(name, folder, groups, "detections.json")


def with_intervals(name: str, folder: Path, groups: Groups) -> Numbers:
    from gbss.evaluation.bootstrap import intervals
    from gbss.evaluation.case import load
    from gbss.evaluation.groups import group_means
    from gbss.evaluation.per_class import measure

    case = load(folder / "truth.json", folder / "detections.npz", protocol=name)
    means = group_means(measure(case), groups)
    intervals(case, means, groups)
    return {group: mean.ap for group, mean in means.items()}


def usual(name: str, folder: Path, groups: Groups) -> Numbers:
    files = str(folder / "truth.json"), str(folder / "detections.json")
    with contextlib.redirect_stdout(io.StringIO()):
        return _pycocotools(*files, groups) if name == "coco" else _lvis(*files)


def _pycocotools(truth_file: str, detections: str, groups: Groups) -> Numbers:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(truth_file)
    found = truth.loadRes(detections)
    numbers = {}
    for group, names in {"all": [], **groups}.items():
        evaluation = COCOeval(truth, found, "bbox")
        if names:
            evaluation.params.catIds = truth.getCatIds(catNms=list(names))
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        numbers[group] = float(evaluation.stats[0])
    return numbers


def _lvis(truth_file: str, detections: str) -> Numbers:
    import lvis.eval

    logging.disable(logging.INFO)
    # It was written for a NumPy with ``np.float``.
    lvis.eval.np = types.SimpleNamespace(**{**vars(np), "float": float})
    evaluation = lvis.eval.LVISEval(truth_file, detections, "bbox")
    evaluation.run()
    results = evaluation.get_results()
    return {"all": results["AP"], **{letter: results[f"AP{letter}"] for letter in "rcf"}}


WAYS: dict[str, Callable[[str, Path, Groups], Numbers]] = {
    "ours": ours,
    "json": from_json,
    "usual": usual,
    "intervals": with_intervals,
}


IMPORTS = {
    "ours": ("gbss.evaluation.fast", "gbss.evaluation.groups", "gbss.evaluation.per_class"),
    "json": ("gbss.evaluation.fast", "gbss.evaluation.groups", "gbss.evaluation.per_class"),
    "intervals": ("gbss.evaluation.bootstrap", "gbss.evaluation.per_class", "scipy.sparse"),
    "coco": ("pycocotools.cocoeval",),
    "lvis": ("lvis.eval",),
}


def measured(way: str, name: str, folder: Path) -> tuple[Cost, Numbers]:
    """Costs in a fresh process, its imports left out (but for memory), and AP."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (way, name, folder))


def _measured(way: str, name: str, folder: Path) -> tuple[Cost, Numbers]:
    for module in IMPORTS[name if way == "usual" else way]:
        import_module(module)
    groups = groups_of(name, folder)
    start, processor = time.perf_counter(), time.process_time()
    numbers = WAYS[way](name, folder, groups)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    # getrusage would not do: a child starts with its parent's peak.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line[:6] == "VmHWM:")
    return Cost(seconds, processor, peak * 1024 / GIB), numbers


def compare(name: str, folder: Path, ways: list[str]) -> None:
    count = np.load(folder / "detections.npz")["scores"].size
    sizes = [(folder / f"detections.{kind}").stat().st_size / 1e6 for kind in ("npz", "json")]
    print(
        f"{name}: {count:,} detections, {sizes[0]:,.0f} MB in columns, {sizes[1]:,.0f} MB as JSON"
    )
    base, truth = measured("ours", name, folder)
    print(base.line("ours", ", ".join(f"{group} {ap:.4f}" for group, ap in truth.items())))
    for way in ways:
        if way == "usual" and USUAL_MEMORY[name] * count > available():
            need, free = USUAL_MEMORY[name] * count / GIB, available() / GIB
            print(f"  usual  left out: needs about {need:.0f} GiB, and {free:.0f} GiB are free")
            continue
        cost, numbers = measured(way, name, folder)
        ratios = [
            getattr(cost, key) / getattr(base, key) for key in ("seconds", "processor", "peak")
        ]
        more = f"{ratios[0]:.1f}x by the clock, {ratios[1]:.1f}x CPU, {ratios[2]:.2f}x memory"
        worst = max(abs(numbers[group] - truth[group]) for group in truth)
        print(cost.line(way, f"{more}; AP differs by {worst:.0e}"), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="this part of the images")
    parser.add_argument("--cases", nargs="+", choices=made.CASES, default=list(made.CASES))
    parser.add_argument("--ways", nargs="*", choices=list(WAYS)[1:], default=list(WAYS)[1:])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    for name in arguments.cases:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            with get_context("spawn").Pool(1) as pool:
                pool.apply(make, (name, arguments.scale, Path(folder)))
            compare(name, Path(folder), arguments.ways)


if __name__ == "__main__":
    main()
