"""Commands of a run: `gbss pretrain`, `train`, `detect`, `record` and others."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gbss import tasks
from gbss.cli.choices import Commands, add_scale, named, scale_of, stand_in
from gbss.evaluation.pseudo_labels import IMAGES

if TYPE_CHECKING:
    from gbss.engine.run import Run
    from gbss.experiments import Row
    from gbss.grid import Place
    from gbss.scales import Scale


def add_to(commands: Commands) -> None:
    """Adds the commands to the parser."""
    command = commands.add_parser("pretrain", help="make the backbone that runs start from")
    command.add_argument("--scale", required=True)
    command.set_defaults(command=_pretrain)

    for name, function, text in (
        ("train", _train, "train one run, or go on with it"),
        ("detect", _detect, "write the detections of a finished run"),
        ("record", _record, "evaluate the detections of a run and write its record"),
        ("pseudo-labels", _pseudo_labels, "write what a finished run finds in unlabeled images"),
        ("class-logits", _class_logits, "write a finished run's logits on annotated boxes"),
    ):
        command = commands.add_parser(name, help=text)
        add_scale(command)
        command.add_argument("--row", required=True, help="row of workflow/experiments.yaml")
        command.add_argument("--seed", required=True, type=_seed)
        command.set_defaults(command=function)
        if name == "train":
            again = "train a run that failed before although nothing has changed"
            command.add_argument("--again", action="store_true", help=again)
            gpus = "GPUs on all nodes together, if not those of the scale"
            command.add_argument("--gpus", type=_count, help=gpus)
        if name == "record":
            command.add_argument("--output", required=True, type=Path)
        if name == "pseudo-labels":
            limit = f"how many unlabeled images, drawn at random (default: {IMAGES}, at most all)"
            command.add_argument("--images", type=_positive, default=IMAGES, help=limit)


def _seed(text: str) -> int:
    from gbss.scales import SEEDS

    value = int(text)
    if not 0 <= value < SEEDS:
        raise ValueError
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _pretrain(options: argparse.Namespace) -> None:
    from gbss.engine.pretrain import pretrain
    from gbss.scales import load_scale

    scale = load_scale(options.scale)
    path = Path("build") / scale.scale / "backbone.pth"
    pretrain(scale.pretraining, scale.detector, path)


def _chosen(options: argparse.Namespace) -> tuple[Scale, Row, Place]:
    from gbss.experiments import load_experiments
    from gbss.grid import Place

    scale = scale_of(options)
    row = named("row", options.row, load_experiments().rows)
    task = stand_in(scale, f"row {row.id!r}", row.task)
    return scale, row, Place(scale.scale, task.name, row.id, options.seed)


def _run(options: argparse.Namespace) -> Run:
    from gbss.configs.resolve import Inputs
    from gbss.engine.run import Run

    scale, row, place = _chosen(options)
    task = tasks.get(place.task)
    inputs = Inputs.of(task, scale)
    if row.labels == "all":
        inputs = replace(inputs, labeled=inputs.labeled.with_name("all.json"))
    if row.retrains is not None:
        inputs = replace(inputs, start=replace(place, row=row.retrains).folder / "model.pth")
    return Run(task, row, scale.of(row.task), options.seed, place.folder, inputs)


def _train(options: argparse.Namespace) -> None:
    from gbss.engine.failures import before_training
    from gbss.engine.launch import launch

    scale, _, place = _chosen(options)
    with before_training(place.folder):
        launch(scale, options.gpus, _arguments_of(options))
    # Behind `launch`, as these imports take seconds.
    from gbss.engine.train import train

    train(_run(options), again=options.again)


def _arguments_of(options: argparse.Namespace) -> list[str]:
    """The command line of the other processes of a training."""
    found = ["train", "--scale", options.scale, "--row", options.row, "--seed", str(options.seed)]
    if options.task is not None:
        found += ["--task", options.task]
    if options.gpus is not None:
        found += ["--gpus", str(options.gpus)]
    return found + ["--again"] * options.again


def _claim(options: argparse.Namespace) -> None:
    """Takes the GPUs of a job that looks at images; call it before torch starts on one."""
    from gbss.engine.launch import claim_gpus

    claim_gpus(scale_of(options).resources["detect"].gpu)


def _detect(options: argparse.Namespace) -> None:
    _claim(options)
    from gbss.engine.detect import detect
    from gbss.engine.failures import after_training

    run = _run(options)
    with after_training(run.folder, run.scale.schedule.iterations):
        detect(run, run.detections)


def _record(options: argparse.Namespace) -> None:
    from gbss.engine.failures import after_training
    from gbss.engine.record import record

    run = _run(options)
    with after_training(run.folder, run.scale.schedule.iterations):
        record(run, options.output)


def _pseudo_labels(options: argparse.Namespace) -> None:
    _claim(options)
    from gbss.engine.pseudo_labels import write_of

    run = _run(options)
    write_of(run, run.pseudo_labels, options.images)


def _class_logits(options: argparse.Namespace) -> None:
    _claim(options)
    from gbss.engine.class_logits import write_of

    run = _run(options)
    write_of(run, run.class_logits)
