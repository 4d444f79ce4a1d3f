"""The benchmarks of training run, and what one writes is what `gbss plan` reads."""

import importlib
import re

import pytest
import yaml

from gbss.experiments import load_experiments
from gbss.grid.cost import Costs
from gbss.scales import load_scale


@pytest.fixture
def scale(repository, tmp_path):
    """A scale file: the smoke scale with batches of two parts."""
    raw = yaml.safe_load((repository / "workflow/config/smoke.yaml").read_text())
    raw |= {"scale": "halves", "batch": raw["batch"] | {"parts": 2, "labeled": 1, "unlabeled": 1}}
    path = tmp_path / "halves.yaml"
    path.write_text(yaml.safe_dump(raw))
    return str(path)


@pytest.fixture
def run(repository, monkeypatch, tiny_task, capsys):
    """Runs a benchmark on tiny scenes; its module and what it printed."""
    monkeypatch.syspath_prepend(repository / "benchmarks")
    made = importlib.import_module("training_step")
    known = made.tasks.get
    monkeypatch.setattr(
        made.tasks, "get", lambda name: tiny_task if name == tiny_task.name else known(name)
    )

    def call(name, *arguments, **values):
        module = importlib.import_module(name)
        for key, value in values.items():
            monkeypatch.setattr(module, key, value)
        monkeypatch.setattr("sys.argv", [name, *arguments])
        module.main()
        return capsys.readouterr().out

    return call


@pytest.mark.slow
def test_steps_are_timed_beside_mmdets(run, scale):
    said = run("training_step", "--scale", scale, "--columns", "13", "--rounds", "2")
    lines = re.findall(r"^ +13 (\S+) +([\d.]+) +([\d.]+) +(\S+) +0\.00$", said, re.MULTILINE)
    assert [name for name, *_ in lines] == ["mmdet", "soft-teacher", "gbss"]
    assert all(float(seconds) > 0 and float(ratio) > 0 for _, seconds, ratio, _ in lines)
    # The same losses, so the same part of the batch.
    assert float(lines[1][3]) < 1e-5


@pytest.mark.slow
def test_a_measured_part_is_what_the_plan_counts_with(run, scale, tmp_path):
    speeds = tmp_path / "speed.yaml"
    speeds.write_text("# A comment.\n\nresnet50: {seconds_per_part: 3, source: somewhere}\n")
    said = run("speed", "--scale", scale, "--rounds", "2", "--write", SPEED=speeds, WARMUP=1)
    found = yaml.safe_load(speeds.read_text())
    assert found["resnet50"] == {"seconds_per_part": 3, "source": "somewhere"}
    assert re.findall(r"^small: (\w+): ", said, re.MULTILINE) == list(found["small"])
    speed = Costs(load_scale(scale), [], speeds).speed("mini-coco", load_experiments().rows["gbss"])
    assert speed.seconds == 2 * found["small"]["seconds_per_part"] > 0
    assert speed.checkpoint_mb > speed.model_mb > 1
