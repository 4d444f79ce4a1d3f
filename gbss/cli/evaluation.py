"""Commands on detections: `gbss evaluate`, `gbss compare`, `gbss export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gbss import tasks
from gbss.cli.choices import Commands

if TYPE_CHECKING:
    from gbss.evaluation.case import Case

_DETECTIONS = "in columns, as `gbss detect` writes them, or in COCO's result format"


def add_to(commands: Commands) -> None:
    """Adds the commands to the parser."""
    command = commands.add_parser("evaluate", help="print the AP of a file of detections")
    command.add_argument("--annotations", required=True, type=Path)
    command.add_argument("--detections", required=True, type=Path, help=_DETECTIONS)
    command.add_argument("--task", help="by its protocol, with its groups")
    command.add_argument(
        "--evaluator",
        choices=["fast", "official"],
        default="fast",
        help="official: pycocotools or lvis, with the same numbers after a longer time",
    )
    command.set_defaults(command=_evaluate)

    command = commands.add_parser("compare", help="print the difference of two runs' detections")
    command.add_argument("--annotations", required=True, type=Path)
    command.add_argument(
        "--detections", required=True, type=Path, nargs=2, metavar=("ONE", "OTHER")
    )
    command.add_argument("--task", help="by its protocol, with its groups")
    command.add_argument("--resamples", type=_count, default=1000, help="default: %(default)s")
    command.add_argument("--seed", type=int, default=0, help="of the drawing; default: 0")
    command.set_defaults(command=_compare)

    command = commands.add_parser("export", help="write detections in COCO's result format")
    command.add_argument("--detections", required=True, type=Path)
    command.add_argument("--output", required=True, type=Path, help="JSON file to write")
    command.set_defaults(command=_export)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _load(options: argparse.Namespace, detections: Path) -> Case:
    from gbss.evaluation.case import load
    from gbss.evaluation.oddities import print_oddities

    task = tasks.get(options.task) if options.task else None
    case = load(
        options.annotations,
        detections,
        task.classes if task else None,
        protocol=task.protocol if task else "coco",
    )
    print_oddities(case, detections)
    return case


def _evaluate(options: argparse.Namespace) -> None:
    from gbss.evaluation.groups import group_means
    from gbss.evaluation.per_class import measure
    from gbss.reporting.console import print_evaluation

    groups = tasks.get(options.task).groups if options.task else {}
    per_class = measure(_load(options, options.detections), options.evaluator)
    print_evaluation(per_class, group_means(per_class, groups))


def _compare(options: argparse.Namespace) -> None:
    from gbss.evaluation.paired import compare
    from gbss.reporting.console import print_differences

    groups = tasks.get(options.task).groups if options.task else {}
    one, other = (_load(options, path) for path in options.detections)
    differences = compare(one, other, groups, options.resamples, options.seed)
    print_differences(differences)


def _export(options: argparse.Namespace) -> None:
    from gbss.evaluation.detections import read_detections, write_json

    detections = read_detections(options.detections)
    write_json(options.output, detections)
    print(f"{options.output}: {len(detections):,} detections")
