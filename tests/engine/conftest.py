import pytest
import torch

from gbss.configs.resolve import Inputs, resolve
from gbss.data import draw
from gbss.engine import train as engine
from gbss.engine.pretrain import pretrain
from gbss.engine.run import Run
from gbss.engine.train import build_runner
from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.coco_files import write_validation
from gbss.splits.files import write_split


@pytest.fixture(scope="session")
def folder(tmp_path_factory, tiny_task, tiny_scale):
    """Data, split and backbone that all runs share."""
    folder = tmp_path_factory.mktemp("shared")
    draw(tiny_task.drawing, folder, progress=False)
    annotations = read(folder / "train.json")
    split = build_split(annotations, tiny_task.recipe)
    write_split(split, annotations, lists=folder / "lists", coco=folder)
    write_validation(read(folder / "val.json"), folder / "checked.json")
    pretrain(tiny_scale.pretraining, "small", folder / "backbone.pth")
    return folder


@pytest.fixture(scope="session")
def run_in(folder, tiny_task, tiny_scale, soft_teacher):
    def build(target, seed=3, row=soft_teacher, scale=tiny_scale):
        inputs = Inputs(
            labeled=folder / "labeled.json",
            unlabeled=folder / "unlabeled.json",
            train_images=folder / "train",
            val=folder / "checked.json",
            val_images=folder / "val",
            backbone=folder / "backbone.pth",
        )
        return Run(tiny_task, row, scale, seed, target, inputs)

    return build


@pytest.fixture
def with_config(monkeypatch):
    """Changes the configuration of every run that is trained from then on."""

    def patch(change):
        original = engine.resolve

        def changed(*arguments):
            config = original(*arguments)
            change(config)
            return config

        monkeypatch.setattr(engine, "resolve", changed)

    return patch


@pytest.fixture
def built():
    """A runner with its first weights, and the first batch as the detector gets it."""

    def build(run, change=lambda config: None):
        config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, run.folder)
        change(config)
        runner = build_runner(config)
        model = runner.model.train()
        model.init_weights()
        model.teacher.load_state_dict(model.student.state_dict())
        batch = next(iter(runner.build_dataloader(config.train_dataloader, seed=run.seed)))
        torch.manual_seed(8)
        return runner, model.data_preprocessor(batch, True)

    return build
