"""Commands for data of your own: `gbss task init`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gbss import tasks
from gbss.cli.choices import Commands
from gbss.errors import Faults, fail

if TYPE_CHECKING:
    from gbss.tasks.own_file import Plan
    from gbss.tasks.own_init import Request

FILE_HELP = "COCO-format file"
FOLDER_HELP = "folder of its images; default: the folder that the file is in"


def add_to(commands: Commands) -> None:
    """Adds the commands to the parser."""
    parser = commands.add_parser("task", help="make a task of your own data")
    parts = parser.add_subparsers(required=True, metavar="COMMAND")
    command = parts.add_parser(
        "init",
        help="look at your data and write workflow/tasks/NAME.yaml",
        description="Looks at your data, checks them and writes workflow/tasks/NAME.yaml.",
    )
    command.add_argument("name", help="small letters, digits and hyphens")
    one = command.add_argument_group("one file, of whose images a part is to be labeled")
    one.add_argument("--train", type=Path, metavar="FILE", help=FILE_HELP)
    one.add_argument("--train-images", type=Path, metavar="FOLDER", help=FOLDER_HELP)
    text = "how many of the images to label; default: 10"
    one.add_argument("--percent", type=float, metavar="P", help=text)
    text = "boxes of every minority class in few-shot images, at least; default: 10"
    one.add_argument("--shots", type=int, metavar="N", help=text)
    one.add_argument("--seed", type=int, metavar="N", help="of the draw; default: 0")
    two = command.add_argument_group("labeled images, and unlabeled ones besides")
    two.add_argument("--labeled", type=Path, metavar="FILE", help=FILE_HELP)
    two.add_argument("--labeled-images", type=Path, metavar="FOLDER", help=FOLDER_HELP)
    text = "a folder of images, or a COCO-format file that lists them"
    two.add_argument("--unlabeled", type=Path, metavar="PATH", help=text)
    text = "where --unlabeled is a file: folder of its images; default as above"
    two.add_argument("--unlabeled-images", type=Path, metavar="FOLDER", help=text)
    three = command.add_argument_group("validation images")
    three.add_argument("--val", type=Path, metavar="FILE", required=True, help=FILE_HELP)
    three.add_argument("--val-images", type=Path, metavar="FOLDER", help=FOLDER_HELP)
    groups = command.add_argument_group("groups of classes, by one of these")
    text = "minority classes: a,b,c or @FILE with one a line; may be given several times"
    groups.add_argument("--minority", action="append", default=[], metavar="NAMES", help=text)
    text = "minority: classes in fewer than N of the labeled (or all train) images"
    groups.add_argument("--minority-below", type=int, metavar="N", help=text)
    text = "rare: in at most N of these images, common: in at most M, frequent: all others"
    groups.add_argument("--bounds", type=_bounds, metavar="N,M", help=text)
    text = "what you train on; default: gpu if nvidia-smi finds one"
    command.add_argument("--device", choices=["gpu", "cpu"], help=text)
    command.add_argument("--title", help="name for captions")
    command.set_defaults(command=_init)


def _bounds(text: str) -> tuple[int, int]:
    first, second = map(int, text.split(","))
    if not 0 < first < second:
        raise ValueError
    return first, second


def _init(options: argparse.Namespace) -> None:
    from gbss.files import write_text
    from gbss.tasks.own_file import render
    from gbss.tasks.own_init import plan

    path = tasks.own.path_of(options.name)
    request = _request(options)
    planned = plan(request)
    text = render(planned)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise fail(
            str(path),
            found="a file with other content, maybe changed by you",
            expected="no such file, or this one",
            fix="keep it, or remove it and run the command again",
        )
    _report(planned, guessed=options.device is None)
    write_text(path, text)
    target = _table(options.name)
    print(f"\n{path} says all this; change there what you like. Next:")
    gpu = " --resources gpu=1" if planned.training.device == "gpu" else ""
    for config, what in (
        (f"scale=smoke task={planned.name}", "a few iterations: does everything run?"),
        (f"scale={planned.name}{gpu}", "the training that the file describes"),
    ):
        print(f"  snakemake {target} --profile workflow/profiles/demo --config {config}")
        print(f"      {what}")


def _request(options: argparse.Namespace) -> Request:
    """The options as they belong together; all that do not at once."""
    from gbss.tasks.own_groups import Grouping
    from gbss.tasks.own_init import Draw, Request
    from gbss.tasks.own_training import find_device

    with Faults() as faults:
        _check_name(options.name, faults)
        _check_sources(options, faults)
    labeled: Path = options.train or options.labeled
    listed: Path | None = options.unlabeled
    is_folder = listed is not None and not listed.is_file()
    folder = listed if is_folder else options.unlabeled_images or (listed and listed.parent)
    return Request(
        name=options.name,
        title=options.title,
        labeled=labeled,
        labeled_images=options.train_images or options.labeled_images or labeled.parent,
        draw=None
        if options.train is None
        else Draw(
            share=float(f"{(10 if options.percent is None else options.percent) / 100:.10g}"),
            shots=10 if options.shots is None else options.shots,
            seed=options.seed or 0,
        ),
        unlabeled=None if is_folder else listed,
        unlabeled_images=folder,
        val=options.val,
        val_images=options.val_images or options.val.parent,
        grouping=Grouping(tuple(options.minority), options.minority_below, options.bounds),
        device=options.device or find_device(),
    )


def _check_name(name: str, faults: Faults) -> None:
    """A name that can stand in paths and means nothing else."""
    from gbss.schema import WORKFLOW

    scales = [path.stem for path in (WORKFLOW / "config").glob("*.yaml")]
    others = [*scales, *(each for each in tasks.names() if each not in tasks.own.names())]
    if not tasks.own.NAME.fullmatch(name):
        expected = "small letters, digits and hyphens, a letter first"
        faults.add("NAME", found=repr(name), expected=expected, fix="choose another name")
    elif name in others:
        found = f"{name!r}, a task or scale of the project"
        fix = "choose another name"
        faults.add("NAME", found=found, expected=f"none of {', '.join(sorted(others))}", fix=fix)


def _check_sources(options: argparse.Namespace, faults: Faults) -> None:
    """Either one file and a draw, or labeled and unlabeled images."""
    one = {"--train", "--train-images", "--percent", "--shots", "--seed"}
    two = {"--labeled", "--labeled-images", "--unlabeled", "--unlabeled-images"}
    given = {name for name in one | two if getattr(options, name[2:].replace("-", "_")) is not None}
    if not ("--train" in given and not given & two) and not (
        {"--labeled", "--unlabeled"} <= given and not given & one
    ):
        faults.add(
            "the training images",
            found=", ".join(sorted(given)) or "none of these options",
            expected="--train FILE, or --labeled FILE and --unlabeled FILE-or-FOLDER",
            fix="give one file to draw labeled images from, or both of the others",
        )
    for name, least in (("shots", 1), ("seed", 0), ("minority_below", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            option, expected = "--" + name.replace("_", "-"), f"at least {least}"
            faults.add(option, found=str(value), expected=expected, fix="correct it")
    if options.percent is not None and not 0 < options.percent <= 100:
        expected = "above 0, at most 100"
        faults.add("--percent", found=f"{options.percent:g}", expected=expected, fix="correct it")


def _table(task: str) -> str:
    """The target of the first table in which a task stands."""
    from gbss.experiments import load_experiments

    paper = tasks.stands_for(tasks.get(task))
    tables = load_experiments().tables.values()
    return next((f"table_{spec.id}" for spec in tables if spec.task == paper), "all_tables")


def _report(planned: Plan, *, guessed: bool) -> None:
    """What was understood."""
    training = planned.training
    few_shot = f" ({planned.few_shot:,} of them few-shot)" if planned.few_shot else ""
    print(
        f"{planned.title}: {planned.labeled:,} labeled images{few_shot}, "
        f"{training.pool:,} unlabeled, {planned.val:,} for validation"
    )
    print(f"{'group':<10} {'classes':>7} {'labeled boxes':>14} {'validation boxes':>17}")
    for group, members in planned.groups.items():
        boxes = sum(each.labeled_boxes for each in members)
        val = sum(each.val_boxes for each in members)
        print(f"{group:<10} {len(members):>7} {boxes:>14,} {val:>17,}")
    print(planned.grouping)
    for note in planned.notes:
        print(f"note: {note}")
    how = ""
    if guessed:
        found = "nvidia-smi lists one" if training.device == "gpu" else "nvidia-smi finds no GPU"
        how = f" ({found}; --device chooses)"
    print(
        f"device: {training.device}{how}; {training.labeled} labeled + "
        f"{training.labeled * training.ratio} unlabeled images a batch, "
        f"{training.iterations:,} iterations, learning rate {training.learning_rate:g}"
    )
    print("time: every run shows what is left of it; `gbss plan` adds up what has been measured")
