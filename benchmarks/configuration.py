"""The text of a configuration as mmengine lays it out, beside the plain one that logs get.

``python benchmarks/configuration.py [--scales demo paper] [--rounds 9]`` prints for each scale the
median seconds of both texts, made in turn, and the median of the rounds' ratios. mmengine makes the
text four times when a training or a detection starts, and once for each checkpoint.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from mmengine.config import Config

from gbss import tasks
from gbss.configs.resolve import Inputs, resolve
from gbss.engine.train import quiet
from gbss.experiments import load_experiments
from gbss.scales import load_scale


def seconds(config: Config) -> float:
    start = time.perf_counter()
    assert config.pretty_text
    return time.perf_counter() - start


def measure(name: str, rounds: int) -> list[tuple[float, float]]:
    """Seconds of the laid-out text and of the plain one, for each round."""
    scale, row = load_scale(name), load_experiments().rows["gbss"]
    task = tasks.get(scale.tasks["coco-split1"])
    inputs = Inputs.of(task, scale)
    plain = resolve(task, row, scale, 1, inputs, Path("build"))
    laid_out = Config(plain.to_dict())
    seconds(laid_out)  # The first one imports yapf.
    return [(seconds(laid_out), seconds(plain)) for _ in range(rounds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", nargs="+", default=["demo", "paper"])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    quiet()
    for name in arguments.scales:
        times = measure(name, arguments.rounds)
        laid_out, plain = (statistics.median(each) for each in zip(*times, strict=True))
        ratio = statistics.median(one / other for one, other in times)
        print(f"{name}: laid out {laid_out:.3f} s, plain {plain:.4f} s, ratio {ratio:.0f}")


if __name__ == "__main__":
    main()
