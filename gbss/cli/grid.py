"""Commands on the whole grid of runs: `gbss rows`, `gbss status`, `gbss plan`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gbss.cli.choices import Commands
from gbss.errors import fail

if TYPE_CHECKING:
    from gbss.grid import Grid


def add_to(commands: Commands) -> None:
    """Adds the commands to the parser."""
    command = commands.add_parser("rows", help="list the rows: tables, state, cost")
    command.add_argument("targets", nargs="*", metavar="TARGET", help="default: all_tables")
    command.set_defaults(command=_rows)
    _add_scale(command)

    command = commands.add_parser("status", help="how far every run is, and what failed and why")
    command.set_defaults(command=_status)
    _add_scale(command)

    command = commands.add_parser("plan", help="jobs, hours and disk, before anything starts")
    command.add_argument("targets", nargs="*", metavar="TARGET", help="default: all_tables")
    command.set_defaults(command=_plan)
    _add_scale(command)


def _add_scale(command: argparse.ArgumentParser) -> None:
    group = command.add_mutually_exclusive_group()
    text = "demo, smoke, paper or a YAML file; default: paper, as Snakemake's without a profile"
    group.add_argument("--scale", help=text)
    group.add_argument("--profile", type=Path, help="the profile that Snakemake would be given")
    command.add_argument("--task", help="a task that takes the place of those of the scale")
    command.add_argument("--seeds", help="some of those of the scale: 1,2")
    command.add_argument("--results", type=Path, help="default: where the workflow writes to")


def _grid(options: argparse.Namespace) -> tuple[Grid, Path]:
    """The grid of a scale or a profile, and the folder that its results go to."""
    from gbss.experiments import load_experiments
    from gbss.grid import Grid
    from gbss.grid.place import results_of
    from gbss.scales import DEFAULT, load_scale, with_seeds

    named = {"scale": options.scale or DEFAULT}
    config = _configured(options.profile) if options.profile else named
    scale = load_scale(config["scale"], options.task or config.get("task"))
    if (seeds := options.seeds or config.get("seeds")) is not None:
        scale = with_seeds(scale, seeds)
    results = options.results or Path(config.get("results", results_of(scale.scale)))
    return Grid(scale, load_experiments()), results


def _profile(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file of a profile of Snakemake, and what it says."""
    from gbss.schema import read_yaml

    path = folder / "config.yaml"
    return path, read_yaml(path, what="profile of Snakemake")


def _attempts(folder: Path | None) -> int | None:
    """How often a profile lets a job run until its wall time; None: nothing says or limits it."""
    profile = _profile(folder)[1] if folder else {}
    # Snakemake itself, without an executor, lets a job run for as long as it takes.
    if profile.get("executor", "local") == "local":
        return None
    retries = profile.get("retries", 0)
    return retries + 1 if isinstance(retries, int) else None


def _configured(profile: Path) -> dict[str, str]:
    """What a profile of Snakemake gives as ``--config``."""
    path, content = _profile(profile)
    entries = content.get("config", [])
    config = dict(str(entry).split("=", 1) for entry in entries if "=" in str(entry))
    if "scale" not in config:
        raise fail(
            f"{path}: config",
            found=repr(entries),
            expected="an entry scale=NAME",
            fix="name a profile that chooses a scale, or give --scale",
        )
    return config


def _rows(options: argparse.Namespace) -> None:
    from gbss.grid.cost import Costs
    from gbss.grid.state import state_in
    from gbss.grid.targets import ask
    from gbss.reporting.figure_files import figure_files
    from gbss.reporting.grid import rows_text

    grid, results = _grid(options)
    costs = Costs(grid.scale, [Path("results")])
    asked = ask(grid, options.targets or ["all_tables"], results, figure_files(grid, results))
    listed = []
    for row in asked.rows(grid):
        places = grid.places([row])
        speed = costs.speed(places[0].task, row)
        whole = grid.iterations(row.id) * len(places)
        states = [state_in(grid, place, Path("results"), results) for place in places]
        listed.append((row, states, None if speed is None else speed.seconds * whole))
    print(rows_text(listed, grid.scale.resources["train"].gpus))


def _status(options: argparse.Namespace) -> None:
    from gbss.grid.state import state_in
    from gbss.reporting.grid import status_text

    grid, results = _grid(options)
    states = {
        place: state_in(grid, place, Path("results"), results) for place in grid.places(grid.rows())
    }
    print(status_text(states))


def _plan(options: argparse.Namespace) -> None:
    from gbss.grid.cost import Costs
    from gbss.grid.plan import make_plan
    from gbss.reporting.figure_files import figure_files
    from gbss.reporting.grid import plan_text

    grid, results = _grid(options)
    costs = Costs(grid.scale, [Path("results")])
    targets = options.targets or ["all_tables"]
    plan = make_plan(grid, targets, results, costs, figure_files(grid, results))
    published = Path("results")
    unused = [run for run in plan.runs if run.to_train and grid.is_kept(run.place, published)]
    print(plan_text(plan, _attempts(options.profile), len(unused)))
