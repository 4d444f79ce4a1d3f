"""A training step with the method against mmdet's own Soft Teacher, side by side in one run.

``python benchmarks/training_step.py [--scale demo] [--columns 13 1204] [--rounds 30]``
trains each detector on the same batches of embedded scenes, in turn and in changing order, with
all of the method switched on; a batch is one part of the scale's (docs/decisions/0070). Prints the
median seconds of a step (losses, gradients and optimizer), the median of the rounds' ratios to
mmdet's, and the largest relative difference of a loss from mmdet's in the first step: 0 up to
rounding for a row that has the same losses. The weights are random where the number of columns
(classes and background) is not that of the embedded data.

With a GPU it runs there, and prints the largest memory of a step, too: ``--scale paper --columns 81
--rounds 300`` is an R50 on scenes scaled to the paper's image sizes.
"""

from __future__ import annotations

import argparse
import copy
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from gbss import tasks
from gbss.configs.method import method
from gbss.configs.resolve import Inputs, resolve
from gbss.data import Subset, draw
from gbss.detection.parts import Share
from gbss.engine.train import quiet
from gbss.experiments import Row, load_experiments
from gbss.scales import Scale, load_scale
from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.files import write_split

MMDET = "mmdet"
Losses = dict[str, float]
Step = Callable[[Any], tuple[float, Losses]]


def scenes(folder: Path) -> Inputs:
    """A small embedded data set and its split."""
    task = tasks.get("mini-coco")
    assert task.drawing is not None
    drawing = replace(task.drawing, train=Subset(200, task.drawing.train.frequencies))
    draw(drawing, folder, progress=False)
    annotations = read(folder / "train.json")
    split = build_split(annotations, replace(task.recipe, shots=2, cap=None))
    write_split(split, annotations, lists=folder / "lists", coco=folder)
    return Inputs(
        labeled=folder / "labeled.json",
        unlabeled=folder / "unlabeled.json",
        train_images=folder / "train",
        val=folder / "val.json",
        val_images=folder / "val",
        backbone=folder / "none.pth",
    )


def configuration(row: Row, scale: Scale, inputs: Inputs, columns: int, plain: bool) -> Config:
    """A run whose batch is one part of the scale's, on one process."""
    scale = replace(scale, batch=replace(scale.batch, parts=1))
    config = resolve(tasks.get("mini-coco"), row, scale, 3, inputs, inputs.labeled.parent)
    head = config.model.detector.roi_head.bbox_head
    head.num_classes = columns - 1
    config.log_level = "ERROR"
    config.model.detector.backbone.init_cfg = None
    config.model.method = None if plain else method(row, scale, columns - 1)
    if plain:
        config.model.type, head.type = "mmdet.SoftTeacher", "Shared2FCBBoxHead"
        config.model.detector.roi_head.type = "StandardRoIHead"
        del config.model["method"]
    return config


def stepper(config: Config, iteration: int) -> Step:
    """A detector with its optimizer; calling it takes one step: its seconds and its losses."""
    torch.manual_seed(5)
    runner = Runner.from_cfg(config)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    model = runner.model
    model.train()
    part = getattr(model, "method", None)
    if part is not None:
        part.attach_pool(list(range(100_000)))
        # The step below seeds mmdet's detector, too.
        model.share = Share(0, 1, lambda number: None)

    def step(batch: Any) -> tuple[float, Losses]:
        batch = copy.deepcopy(batch)
        torch.manual_seed(7)
        random.seed(7)
        start = now()
        if part is not None:
            part.begin(iteration)
        losses = model.train_step(batch, runner.optim_wrapper)
        seconds = now() - start
        return seconds, {name: value.item() for name, value in losses.items() if "loss" in name}

    return step


def now() -> float:
    """The time, once the GPU has nothing left to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def gib() -> float:
    """The GPU memory that tensors took at most since the last call; 0 without a GPU.

    All detectors stay on the GPU, so what counts is the difference between them.
    """
    if not torch.cuda.is_available():
        return 0.0
    peak = torch.cuda.max_memory_allocated() / 2**30
    torch.cuda.reset_peak_memory_stats()
    return peak


def difference(losses: Losses, expected: Losses) -> float:
    """The largest relative difference of a loss that both have."""
    return max(
        abs(losses[name] - value) / max(abs(value), 1e-12) for name, value in expected.items()
    )


def compare(rows: list[str], scale: Scale, inputs: Inputs, columns: int, rounds: int) -> None:
    known = load_experiments().rows
    configs = {MMDET: configuration(known["soft-teacher"], scale, inputs, columns, plain=True)}
    configs |= {
        name: configuration(known[name], scale, inputs, columns, plain=False) for name in rows
    }
    loader = Runner.build_dataloader(configs[MMDET].train_dataloader, seed=3)
    batches = [batch for batch, _ in zip(loader, range(10), strict=False)]
    # After warm-up, so that every part works.
    steps = {
        name: stepper(config, scale.schedule.iterations // 2) for name, config in configs.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    differences: dict[str, float] = {}
    memory = dict.fromkeys(steps, 0.0)
    order = list(steps)
    for number in range(rounds + 3):
        random.Random(number).shuffle(order)
        found = {}
        for name in order:
            gib()
            found[name] = steps[name](batches[number % len(batches)])
            memory[name] = max(memory[name], gib())
        if number == 0:
            differences = {name: difference(found[name][1], found[MMDET][1]) for name in steps}
        for name in steps if number >= 3 else ():
            seconds[name].append(found[name][0])
    for name, values in seconds.items():
        ratios = [one / other for one, other in zip(values, seconds[MMDET], strict=True)]
        print(
            f"{columns:7d} {name:18s} {statistics.median(values):10.4f} "
            f"{statistics.median(ratios):8.3f} {differences[name]:12.1e} {memory[name]:8.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--rows", nargs="+", default=["soft-teacher", "gbss"])
    parser.add_argument("--columns", type=int, nargs="+", default=[13, 1204])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    quiet()
    torch.set_num_threads(arguments.threads)
    init_default_scope("mmdet")
    scale = load_scale(arguments.scale)
    print(f"scale {scale.scale}, {arguments.threads} thread(s), torch {torch.__version__}")
    print("columns detector           median s    ratio   difference  GPU GiB")
    with tempfile.TemporaryDirectory() as folder:
        inputs = scenes(Path(folder))
        for columns in arguments.columns:
            compare(arguments.rows, scale, inputs, columns, arguments.rounds)


if __name__ == "__main__":
    main()
