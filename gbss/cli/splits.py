"""Commands on splits: `gbss split`, `gbss labels`, `gbss verify`, `gbss overlap`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gbss import tasks
from gbss.cli.choices import Commands
from gbss.errors import fail
from gbss.splits.recipe import ROLES
from gbss.tasks import Task

ROOT = "folder with the task's files; default: as the paper's scale says, or the embedded data"


def add_to(commands: Commands) -> None:
    """Adds the commands to the parser."""
    command = commands.add_parser("split", help="build the labeled and unlabeled images of a task")
    command.add_argument("task")
    command.add_argument("--root", type=Path, help=ROOT)
    command.add_argument("--factor", type=float, help="this part of the stated counts, for trying")
    for role in ROLES:
        text = f"your own {role} images, not drawn ones: a COCO-format file or a list of ids"
        command.add_argument(f"--{role}", type=Path, metavar="FILE", help=text)
    command.set_defaults(command=_split)

    command = commands.add_parser("labels", help="write all labels of a task, as no split has them")
    command.add_argument("task")
    command.add_argument("--root", type=Path, help=ROOT)
    command.set_defaults(command=_labels)

    command = commands.add_parser("verify", help="check a split against its annotation file")
    command.add_argument("task")
    command.add_argument("--root", type=Path, help=ROOT)
    command.add_argument("--images", action="store_true", help="also open every image file")
    command.set_defaults(command=_verify)

    command = commands.add_parser("overlap", help="labeled images that splits have in common")
    command.add_argument("--splits", type=Path, default=Path("splits"))
    command.set_defaults(command=_overlap)


def _split(options: argparse.Namespace) -> None:
    from gbss.splits.coco_files import write_validation
    from gbss.splits.deviation import deviation_text
    from gbss.splits.files import write_split
    from gbss.splits.source import choose_split
    from gbss.tasks.inputs import read_train, read_val

    task = tasks.get(options.task)
    root = _root(task, options)
    annotations, validation = read_train(task, root), read_val(task, root)
    lists, coco = Path("splits") / task.name, Path("build/splits") / task.name
    roles = {role: getattr(options, role.replace("-", "_")) for role in ROLES}
    files = {role: path for role, path in roles.items() if path is not None}
    split = choose_split(annotations, task.recipe, lists, files=files, factor=options.factor)
    write_split(split, annotations, lists=lists, coco=coco)
    write_validation(validation, coco / "val.json")
    if deviations := deviation_text((lists / "counts.csv").read_text(encoding="utf-8")):
        print(deviations)
    labeled = len(split.base) + len(split.few_shot)
    source = ""
    if split.recipe.given:
        names = ", ".join(file.name for file in split.recipe.given.values())
        source = f", as given in {names}"
    elif split.recipe.factor < 1:
        source = f", at {split.recipe.factor:g} of the stated counts, for trying"
    print(
        f"{task.name}: {labeled} labeled images ({len(split.few_shot)} of them few-shot), "
        f"{len(split.unlabeled)} unlabeled{source}; per class in {lists / 'counts.csv'}"
    )


def _labels(options: argparse.Namespace) -> None:
    from gbss.splits.coco_files import write_all
    from gbss.tasks.inputs import read_train

    task = tasks.get(options.task)
    if task.pool is not None:
        raise fail(
            f"task {task.name!r}",
            found="unlabeled images of their own, whose annotations are not known",
            expected="a task with annotations of all its train images",
            fix="leave out rows with 'labels: all'",
        )
    annotations = read_train(task, _root(task, options))
    path = Path("build/splits") / task.name / "all.json"
    write_all(annotations, path)
    print(f"{task.name}: {len(annotations.image_ids)} images with all their labels in {path}")


def _verify(options: argparse.Namespace) -> None:
    from gbss.splits.coco_files import check_coco
    from gbss.splits.verify import verify_split
    from gbss.tasks.inputs import check_train_images, read_train

    task = tasks.get(options.task)
    root = _root(task, options)
    annotations = read_train(task, root)
    if options.images:
        check_train_images(task, root, annotations)
    split = verify_split(annotations, task.recipe, Path("splits") / task.name)
    coco = Path("build/splits") / task.name
    if coco.exists():
        check_coco(split, annotations, coco)
    labeled = len(split.base) + len(split.few_shot)
    print(f"{task.name}: {labeled} labeled and {len(split.unlabeled)} unlabeled images, as stated")


def _overlap(options: argparse.Namespace) -> None:
    from gbss.splits.overlap import overlap_text, write_overlaps

    print(overlap_text(write_overlaps(options.splits)))


def _root(task: Task, options: argparse.Namespace) -> Path:
    from gbss.scales import load_scale

    if options.root is not None:
        root: Path = options.root
        return root
    scale = load_scale("paper")
    root = scale.root(task.name)
    # Without the annotation files, say how to get the data. Images are not needed here.
    return root if (root / task.files.train).exists() else scale.require(task.name)
