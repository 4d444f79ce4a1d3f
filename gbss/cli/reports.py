"""Commands that show results: `gbss table`, `gbss figure`, `gbss readme`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gbss import tasks
from gbss.cli.choices import Commands, add_scale, named, scale_of, stand_in
from gbss.errors import fail


def add_to(commands: Commands) -> None:
    """Adds the commands to the parser."""
    command = commands.add_parser("table", help="render a table from run records")
    command.add_argument("table")
    add_scale(command)
    command.add_argument("--results", type=Path, default=Path("results"))
    command.set_defaults(command=_table)

    command = commands.add_parser("figure", help="draw a figure")
    text = "its name, or its number in the paper; class-distribution needs no scale"
    command.add_argument("figure", help=text)
    add_scale(command, required=False)
    command.add_argument("--class", dest="class_name", help="which class a figure of one shows")
    text = "what to compare, baseline first, ours last, with commas between"
    command.add_argument("--rows", type=lambda text: tuple(text.split(",")), help=text)
    command.add_argument("--results", type=Path, default=Path("results"))
    command.set_defaults(command=_figure)

    command = commands.add_parser("report", help="write the page of a scale: tables, figures, runs")
    add_scale(command)
    text = "render the tables that have any run, too: without it they wait for all of their runs"
    command.add_argument("--tables", action="store_true", help=text)
    command.add_argument("--results", type=Path, default=Path("results"))
    command.set_defaults(command=_report)

    command = commands.add_parser("readme", help="bring the README's tables up to date")
    command.add_argument("--check", action="store_true", help="fail if they are not")
    command.set_defaults(command=_readme)


def _table(options: argparse.Namespace) -> None:
    from gbss.experiments import load_experiments
    from gbss.grid import Grid
    from gbss.reporting.published import published_table
    from gbss.reporting.tables import write_table

    grid = Grid(scale_of(options), load_experiments())
    spec = named("table", options.table, grid.experiments.tables)
    stand_in(grid.scale, f"table {spec.id!r}", spec.task)
    table = published_table(grid, spec.id, options.results)
    write_table(table, options.results / "tables" / grid.scale.place)
    print(table.markdown())


def _report(options: argparse.Namespace) -> None:
    from gbss.experiments import load_experiments
    from gbss.grid import Grid
    from gbss.reporting.published import write_tables
    from gbss.reporting.report import write_report

    grid = Grid(scale_of(options), load_experiments())
    if options.tables:
        write_tables(grid, options.results)
    print(write_report(grid, options.results, Path("results"), Path("splits")).resolve())


def _figure(options: argparse.Namespace) -> None:
    if options.figure == "class-distribution":
        _class_distribution(options)
        return
    from gbss.experiments import load_experiments
    from gbss.grid import Grid
    from gbss.reporting.figure import figure_named, make, path_of, study_of

    name, figure = figure_named(options.figure)
    if options.scale is None:
        fix = "say at which scale: --scale demo"
        raise fail(f"figure {name!r}", found="no scale", expected="--scale", fix=fix)
    grid = Grid(scale_of(options), load_experiments())
    study = study_of(figure, grid, options.results, options.rows, options.class_name)
    path = path_of(name, study, options.rows)
    print(f"{figure.title}\n{make(figure, study, path)}\n{path}.pdf, .png and .csv")


def _class_distribution(options: argparse.Namespace) -> None:
    from gbss.reporting.figures import class_distribution as figure

    if options.task is None:
        fix = "name a task: --task mini-coco"
        raise fail("class-distribution", found="no task", expected="--task", fix=fix)
    task = tasks.get(options.task)
    classes = figure.class_images(Path("splits") / task.name / "counts.csv", task)
    path = options.results / "figures" / "splits" / f"class-distribution-{task.name}"
    figure.write_class_distribution(classes, task, path)
    print(figure.summary(classes, task.groups))
    print(f"{path}.pdf, .png and .csv")


def _readme(options: argparse.Namespace) -> None:
    from gbss.reporting.readme import update_readme

    update_readme(Path("README.md"), check=options.check)
