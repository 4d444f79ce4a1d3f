"""The command line. Heavy imports stand inside the commands, so that light ones stay light."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gbss import tasks
from gbss.errors import GbssError, fail, in_our_words, nearest
from gbss.splits.recipe import ROLES

if TYPE_CHECKING:
    from gbss.engine.run import Run
    from gbss.scales import Scale
    from gbss.tasks import Task

Entry = TypeVar("Entry")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0, or 1 after an error that was printed to standard error.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (GbssError, OSError) as error:
        # A loading process hands its error on as text, behind its whole traceback.
        text = str(in_our_words(error)).rsplit("GbssError: ", 1)[-1].strip()
        print(f"error: {text}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gbss",
        description="Gradient-based sampling for class-imbalanced semi-supervised detection.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("draw", help="draw the embedded data of a task")
    command.add_argument("task")
    command.add_argument("--root", type=Path, help="default: build/data/TASK")
    command.set_defaults(command=_draw)

    command = commands.add_parser("fetch", help="fetch what is missing of a task's data")
    command.add_argument("task")
    command.add_argument("--root", type=Path, required=True, help="folder for the task's files")
    command.set_defaults(command=_fetch)

    command = commands.add_parser("split", help="build the labeled and unlabeled images of a task")
    command.add_argument("task")
    command.add_argument("--root", type=Path, help="folder with the task's files")
    command.add_argument("--factor", type=float, help="this part of the stated counts, for trying")
    for role in ROLES:
        text = f"your own {role} images, not drawn ones: a COCO-format file or a list of ids"
        command.add_argument(f"--{role}", type=Path, metavar="FILE", help=text)
    command.set_defaults(command=_split)

    command = commands.add_parser("overlap", help="labeled images that splits have in common")
    command.add_argument("--splits", type=Path, default=Path("splits"))
    command.set_defaults(command=_overlap)

    command = commands.add_parser("verify", help="check a split against its annotation file")
    command.add_argument("task")
    command.add_argument("--root", type=Path, help="folder with the task's files")
    command.add_argument("--images", action="store_true", help="also open every image file")
    command.set_defaults(command=_verify)

    command = commands.add_parser("pretrain", help="make the backbone that runs start from")
    command.add_argument("--scale", required=True)
    command.set_defaults(command=_pretrain)

    for name, function, text in (
        ("train", _train, "train one run, or go on with it"),
        ("detect", _detect, "write the detections of a finished run"),
        ("record", _record, "evaluate the detections of a run and write its record"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--scale", required=True, help="demo, smoke, paper or a YAML file")
        command.add_argument("--row", required=True, help="row of workflow/experiments.yaml")
        command.add_argument("--seed", required=True, type=_seed)
        command.set_defaults(command=function)
        if name == "record":
            command.add_argument("--output", required=True, type=Path)

    command = commands.add_parser("evaluate", help="print the AP of a file of detections")
    command.add_argument("--annotations", required=True, type=Path)
    command.add_argument("--detections", required=True, type=Path)
    command.add_argument("--task", help="by its protocol, with its groups")
    command.set_defaults(command=_evaluate)

    command = commands.add_parser("table", help="render a table from run records")
    command.add_argument("table")
    command.add_argument("--scale", required=True)
    command.add_argument("--results", type=Path, default=Path("results"))
    command.set_defaults(command=_table)

    command = commands.add_parser("figure", help="draw a figure")
    command.add_argument("figure", choices=["class-distribution"])
    command.add_argument("--task", required=True)
    command.add_argument("--results", type=Path, default=Path("results"))
    command.set_defaults(command=_figure)

    command = commands.add_parser("readme", help="bring the README's tables up to date")
    command.add_argument("--check", action="store_true", help="fail if they are not")
    command.set_defaults(command=_readme)
    return parser


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError
    return value


def _draw(options: argparse.Namespace) -> None:
    from gbss.data import draw

    task = tasks.get(options.task)
    if task.drawing is None:
        raise fail(
            f"task {task.name!r}",
            found="a task whose data are not embedded",
            expected="an embedded task",
            fix="fetch its files and name their folder under 'roots' of the scale",
        )
    draw(task.drawing, options.root or Path("build/data") / task.name)


def _fetch(options: argparse.Namespace) -> None:
    from gbss.data.fetch import fetch

    task = tasks.get(options.task)
    if not task.sources:
        public = [name for name in tasks.names() if tasks.get(name).sources]
        raise fail(
            f"task {task.name!r}",
            found="a task with nothing to fetch: its data are embedded or your own",
            expected=f"a task with public data: {', '.join(public)}",
            fix=f"gbss draw {task.name}" if task.drawing else "use the data where they are",
        )
    report = Path("build/fetch") / f"{task.name}-missing.txt"
    fetch(task.sources, options.root, report=report)
    print(f"{task.name}: the data under {options.root} are whole")


def _split(options: argparse.Namespace) -> None:
    from gbss.splits.coco_files import write_validation
    from gbss.splits.deviation import deviation_text
    from gbss.splits.files import write_split
    from gbss.splits.source import choose_split
    from gbss.tasks.inputs import read_train, read_val

    task = tasks.get(options.task)
    annotations, validation = read_train(task, _root(options)), read_val(task, _root(options))
    lists, coco = Path("splits") / task.name, Path("build/splits") / task.name
    roles = {role: getattr(options, role.replace("-", "_")) for role in ROLES}
    files = {role: path for role, path in roles.items() if path is not None}
    split = choose_split(annotations, task.recipe, lists, files=files, factor=options.factor)
    write_split(split, annotations, lists=lists, coco=coco)
    write_validation(validation, coco / "val.json")
    if deviations := deviation_text((lists / "counts.csv").read_text(encoding="utf-8")):
        print(deviations)
    labeled = len(split.base) + len(split.few_shot)
    print(
        f"{task.name}: {labeled} labeled images ({len(split.few_shot)} of them few-shot), "
        f"{len(split.unlabeled)} unlabeled; per class in {lists / 'counts.csv'}"
    )


def _overlap(options: argparse.Namespace) -> None:
    from gbss.splits.overlap import overlap_text, write_overlaps

    print(overlap_text(write_overlaps(options.splits)))


def _verify(options: argparse.Namespace) -> None:
    from gbss.splits.annotations import check_images
    from gbss.splits.verify import verify_split
    from gbss.tasks.inputs import read_train

    task = tasks.get(options.task)
    annotations = read_train(task, _root(options))
    if options.images:
        check_images(annotations, _root(options) / task.train_images)
    split = verify_split(annotations, task.recipe, Path("splits") / task.name)
    labeled = len(split.base) + len(split.few_shot)
    print(f"{task.name}: {labeled} labeled and {len(split.unlabeled)} unlabeled images, as stated")


def _root(options: argparse.Namespace) -> Path:
    root: Path | None = options.root
    return root or Path("build/data") / options.task


def _pretrain(options: argparse.Namespace) -> None:
    from gbss.engine.pretrain import pretrain
    from gbss.scales import load_scale

    scale = load_scale(options.scale)
    path = Path("build") / scale.scale / "backbone.pth"
    pretrain(scale.pretraining, scale.detector, path)


def _run(options: argparse.Namespace) -> Run:
    from gbss.configs.resolve import Inputs
    from gbss.engine.run import Run, run_folder
    from gbss.experiments import load_experiments
    from gbss.scales import load_scale

    scale = load_scale(options.scale)
    row = _named("row", options.row, load_experiments().rows)
    task = _stand_in(scale, f"row {row.id!r}", row.task)
    folder = run_folder(scale.scale, task.name, row.id, options.seed)
    return Run(task, row, scale, options.seed, folder, Inputs.of(task, scale))


def _named(kind: str, name: str, known: Mapping[str, Entry]) -> Entry:
    """A row or table of the experiments."""
    if name not in known:
        fix = f"name a {kind} of workflow/experiments.yaml"
        raise fail(kind, found=repr(name), expected=nearest(name, known), fix=fix)
    return known[name]


def _stand_in(scale: Scale, what: str, task: str) -> Task:
    """The task that stands for another at a scale."""
    name = scale.task_of(task)
    if name is None:
        raise fail(
            what,
            found=f"the task {task!r}, which has no place at the scale {scale.scale!r}",
            expected=f"one of {', '.join(scale.tasks)}",
            fix="add it under 'tasks' of the scale",
        )
    return tasks.get(name)


def _train(options: argparse.Namespace) -> None:
    from gbss.engine.train import train

    train(_run(options))


def _detect(options: argparse.Namespace) -> None:
    from gbss.engine.detect import detect

    run = _run(options)
    detect(run, run.detections)


def _record(options: argparse.Namespace) -> None:
    from gbss.engine.record import record

    record(_run(options), options.output)


def _evaluate(options: argparse.Namespace) -> None:
    from gbss.evaluation.groups import group_means
    from gbss.evaluation.per_class import evaluate
    from gbss.reporting.console import print_evaluation

    task = tasks.get(options.task) if options.task else None
    per_class = evaluate(
        options.annotations,
        options.detections,
        task.classes if task else None,
        protocol=task.protocol if task else "coco",
    )
    print_evaluation(per_class, group_means(per_class, task.groups if task else {}))


def _table(options: argparse.Namespace) -> None:
    from gbss.experiments import load_experiments
    from gbss.reporting.records import load_records
    from gbss.reporting.tables import build_table, write_table
    from gbss.scales import load_scale

    scale, experiments = load_scale(options.scale), load_experiments()
    spec = _named("table", options.table, experiments.tables)
    task = _stand_in(scale, f"table {spec.id!r}", spec.task)
    rows = experiments.rows_of(spec.id)
    records = {
        row.id: load_records(
            options.results / "runs",
            scale.scale,
            task.name,
            row.id,
            scale.settings(row),
        )
        for row in rows
    }
    table = build_table(
        spec,
        rows,
        records,
        scale=scale.scale,
        summary=scale.summary,
        task=task,
        planned_seeds=scale.seeds,
    )
    write_table(table, options.results / "tables" / scale.scale)
    print(table.markdown())


def _figure(options: argparse.Namespace) -> None:
    from gbss.reporting.figures import class_distribution as figure

    task = tasks.get(options.task)
    classes = figure.class_images(Path("splits") / task.name / "counts.csv", task)
    path = options.results / "figures" / "splits" / f"class-distribution-{task.name}"
    figure.write_class_distribution(classes, task, path)
    print(figure.summary(classes, task.groups))
    print(f"{path}.pdf, .png and .csv")


def _readme(options: argparse.Namespace) -> None:
    from gbss.reporting.readme import update_readme

    update_readme(Path("README.md"), check=options.check)
