import pytest
import yaml

from gbss.scales import load_scale
from gbss.tasks import own_training
from gbss.tasks.own_training import Training, find_device, training_text


def test_coco_on_one_gpu():
    """10,170 labeled images: the paper's batch per GPU, an eighth of its learning rate."""
    t = Training("gpu", seen=10_170, pool=108_117)
    assert (t.labeled, t.labeled * t.ratio) == (1, 4)
    assert t.learning_rate == 0.01 / 8
    assert (t.wished, t.iterations) == (1_423_800, 180_000)
    # Less than a pass is too little for the matrix, and the warm-up leaves most of the run.
    assert t.windows()["matrix"] == 10_170
    assert t.windows()["warmup"] == 30_510
    assert t.windows()["resample"] == 16_000


@pytest.mark.parametrize(
    ("pool", "batch", "rate", "iterations"),
    [
        (5_000, (1, 4), 0.00125, 14_000),
        (399, (1, 3), 0.001, 14_000),
        (299, (1, 2), 0.00075, 14_000),
        (199, (2, 2), 0.001, 10_000),
        (7, (2, 2), 0.001, 10_000),
    ],
)
def test_no_more_unlabeled_images_for_a_labeled_one_than_there_are(pool, batch, rate, iterations):
    t = Training("gpu", 100, pool)
    assert (t.labeled, t.labeled * t.ratio) == batch
    assert t.learning_rate == pytest.approx(rate)
    assert t.iterations == iterations


def test_a_cpu_gets_the_settings_of_the_demo():
    """With the demo's labeled images they are the demo's."""
    demo = load_scale("demo")
    t = Training("cpu", seen=118, pool=2_882)
    text = training_text(t)
    found = yaml.safe_load(text)["training"]
    assert found["schedule"] == {
        "iterations": 1600,
        "warmup": 200,
        "decay": [1300],
        "checkpoint_interval": 200,
        "log_interval": 20,
    }
    assert found["optimizer"] == vars(demo.optimizer)
    assert found["method"] == pytest.approx(vars(demo.method), rel=0.02)
    assert found["batch"] | {"ratio": "fixed", "parts": 1} == vars(demo.batch)
    assert found["pretraining"] == demo.pretraining
    assert "128 x 128" in text


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize(("seen", "pool"), [(1, 1), (250, 90), (3_000, 10**6), (10**6, 10**6)])
def test_every_size_gives_a_schedule_with_all_its_parts(device, seen, pool):
    t = Training(device, seen, pool)
    total, windows = t.iterations, t.windows()
    assert windows["warmup"] <= total * 3 / 16
    assert 33 <= windows["weights"] < windows["matrix"] < windows["warmup"]
    schedule = yaml.safe_load(training_text(t))["training"]["schedule"]
    assert schedule["warmup"] < min(schedule["decay"]) <= max(schedule["decay"]) < total


@pytest.mark.parametrize(
    ("script", "device"),
    [("echo 'GPU 0: H100'", "gpu"), ("echo 'No devices were found'", "cpu"), ("exit 9", "cpu")],
)
def test_nvidia_smi_says_whether_there_is_a_gpu(tmp_path, monkeypatch, script, device):
    command = tmp_path / "nvidia-smi"
    monkeypatch.setattr(own_training.shutil, "which", lambda name: None)
    assert find_device() == "cpu"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setattr(own_training.shutil, "which", lambda name: str(command))
    assert find_device() == device
