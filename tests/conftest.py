from dataclasses import replace
from pathlib import Path

import pytest

from gbss import tasks
from gbss.data import Subset
from gbss.experiments import load_experiments
from gbss.scales import load_scale

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def tiny_task():
    """mini-coco with few and small scenes."""
    task = tasks.get("mini-coco")
    drawing = replace(
        task.drawing,
        train=Subset(60, task.drawing.train.frequencies),
        val=Subset(7, task.drawing.val.frequencies),
        side=64,
        large=(31, 40),
    )
    return replace(task, drawing=drawing, recipe=replace(task.recipe, shots=2, cap=None))


@pytest.fixture(scope="session")
def tiny_scale():
    """The smoke scale, with a shorter schedule and smaller batches."""
    smoke = load_scale("smoke")
    return replace(
        smoke,
        schedule=replace(smoke.schedule, iterations=6, warmup=6, decay=(5,), checkpoint_interval=2),
        batch=replace(smoke.batch, labeled=1, unlabeled=2),
    )


@pytest.fixture(scope="session")
def soft_teacher():
    return load_experiments().rows["soft-teacher"]
