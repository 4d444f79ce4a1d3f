"""Seconds of training on one part of a batch and sizes of checkpoints, for `gbss plan`.

``python benchmarks/speed.py --scale paper`` trains the row ``gbss`` on embedded scenes at that
scale's image sizes, one part of a batch at a time (docs/decisions/0070). It prints the median
seconds of a part after warm-up and the sizes of a checkpoint and of the final weights; ``--write``
puts them into ``benchmarks/speed.yaml``. An iteration takes these seconds for each part that a
process has, up to the exchange of gradients. ``--sizes-only`` keeps the seconds that the file has.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from training_step import configuration, scenes, stepper

from gbss.detection.checkpoints import write_checkpoint
from gbss.engine.train import quiet
from gbss.experiments import load_experiments
from gbss.files import write_text
from gbss.grid.cost import SPEED
from gbss.scales import Scale, load_scale
from gbss.schema import read_yaml

COLUMNS = 81
WARMUP = 5


def sizes(runner: Runner, folder: Path) -> dict[str, float]:
    """A checkpoint holds student, teacher and momentum; the final weights leave out the last."""
    weights = {
        name: value
        for name, value in runner.model.state_dict().items()
        if not name.startswith("method.")
    }
    momentum = [torch.zeros_like(value) for value in runner.model.student.parameters()]
    contents = {
        "checkpoint_mb": {"state_dict": weights, "optimizer": momentum},
        "model_mb": {"state_dict": weights},
    }
    found = {}
    for name, content in contents.items():
        write_checkpoint(folder / name, content)
        found[name] = round((folder / name).stat().st_size / 1e6, 1)
    return found


def measure(scale: Scale, rounds: int, folder: Path) -> dict[str, Any]:
    row = load_experiments().rows["gbss"]
    config = configuration(row, scale, scenes(folder), COLUMNS, plain=False)
    found: dict[str, Any] = {}
    if rounds:
        batches = iter(Runner.build_dataloader(config.train_dataloader, seed=3))
        step = stepper(config, scale.schedule.iterations // 2)
        times = [step(next(batches))[0] for _ in range(WARMUP + rounds)][WARMUP:]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
        found["seconds_per_part"] = round(statistics.median(times), 4)
        found["source"] = f"benchmarks/speed.py on {device}, torch {torch.__version__}"
    return found | sizes(Runner.from_cfg(config), folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--sizes-only", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    quiet()
    init_default_scope("mmdet")
    scale = load_scale(arguments.scale)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(scale, 0 if arguments.sizes_only else arguments.rounds, Path(folder))
    for name, value in found.items():
        print(f"{scale.detector}: {name}: {value}")
    if arguments.write:
        speeds = read_yaml(SPEED, what="file of measured speeds")
        speeds[scale.detector] = speeds.get(scale.detector, {}) | found
        comment = SPEED.read_text(encoding="utf-8").split("\n\n")[0]
        write_text(SPEED, f"{comment}\n\n{yaml.safe_dump(speeds, sort_keys=False, width=1000)}")


if __name__ == "__main__":
    main()
