"""The report of a scale: one page with every table, figure, split and run, for any browser."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gbss import tasks
from gbss.errors import GbssError
from gbss.files import write_text
from gbss.grid import Grid, Place
from gbss.grid.state import State, state_in
from gbss.grid.targets import target_of
from gbss.reporting import render
from gbss.reporting.figure import drawable, figures
from gbss.reporting.figures import class_distribution
from gbss.reporting.published import published_table
from gbss.reporting.sparkline import HEIGHT, WIDTH, Sparkline, loss_of

TEMPLATE = Path(__file__).with_name("report.html.j2")


@dataclass(frozen=True)
class ShownTable:
    """A table, or why there is none.

    Attributes:
        name: Its name in targets and paths.
        title: What it shows.
        context: Task, scale and iterations.
        head: Texts of the head.
        body: Texts of each row.
        notes: Sentences below it.
        error: Why it cannot be shown; empty if it can.
        links: Name → address of its files.
    """

    name: str
    title: str
    context: str
    head: Sequence[str]
    body: Sequence[Sequence[str]]
    notes: Sequence[str]
    error: str
    links: Mapping[str, str]


@dataclass(frozen=True)
class ShownFigure:
    """A picture that is part of the page, and links to the files that it comes from.

    Attributes:
        name: Its name in targets and paths.
        title: What it shows.
        context: Which figure of the paper it is; empty where there is nothing to say.
        image: The picture as an address that holds it.
        links: Name → address of its files.
    """

    name: str
    title: str
    context: str
    image: str
    links: Mapping[str, str]


@dataclass(frozen=True)
class ShownSplit:
    """A task's split in words, with its figure if there is a split."""

    task: str
    title: str
    lines: Sequence[str]
    figure: ShownFigure | None
    links: Mapping[str, str]


@dataclass(frozen=True)
class ShownRun:
    """A run, how far it is, its loss, if its log is here, and links to what it left."""

    place: Place
    label: str
    state: State
    loss: Sparkline | None
    links: Mapping[str, str]


def write_report(grid: Grid, results: Path, published: Path, splits: Path) -> Path:
    """Writes the page and returns its path.

    It is ``<results>/report/<scale>/index.html``; where a task was put in the place of the scale's
    own, in a folder of that name below.

    Pictures are part of the page, so that it can be sent to somebody. Its links lead to files of
    this checkout.

    Args:
        grid: Rows, tables and scale.
        results: Folder of the workflow's records, tables and figures.
        published: Folder of the records that are kept in the repository.
        splits: Folder of the lists of splits.
    """
    from jinja2 import Environment, StrictUndefined

    page = results / "report" / grid.scale.place / "index.html"
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda value: "" if value is None else f"{100 * value:.1f}"
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    folder = page.parent
    used = dict.fromkeys(grid.scale.tasks[grid.experiments.tables[t].task] for t in grid.tables())
    drawn = results / "figures" / grid.scale.place
    lengths = {grid.iterations(row.id) for row in grid.rows()}
    text = template.render(
        scale=grid.scale,
        iterations=" to ".join(f"{n:,}" for n in sorted({min(lengths), max(lengths)})),
        tables=[_table(grid, name, results, folder) for name in grid.tables()],
        figures=_figures(drawn, folder),
        missing_figures=_missing_figures(grid, results, drawn),
        splits=[_split(name, splits, results, folder) for name in used],
        runs=_runs(grid, results, published, folder),
        sparkline=(WIDTH, HEIGHT),
    )
    write_text(page, text)
    return page


def _table(grid: Grid, name: str, results: Path, folder: Path) -> ShownTable:
    files = {
        suffix: results / "tables" / grid.scale.place / f"{name}.{suffix}"
        for suffix in ("md", "csv", "tex")
    }
    links = _links(files, folder)
    try:
        table = published_table(grid, name, results)
    except GbssError as error:
        title = grid.experiments.tables[name].title
        return ShownTable(name, title, "", (), (), (), str(error), links)
    head, body = render.texts(table)
    return ShownTable(name, table.title, table.context, head, body, table.notes, "", links)


def _figures(drawn: Path, folder: Path) -> list[ShownFigure]:
    """Those of the paper by their numbers, then ours; a variant follows its figure."""
    order = list(figures())

    def rank(path: Path) -> tuple[int, str]:
        own = [k for k, name in enumerate(order) if path.stem.startswith(name)]
        return max(own, key=lambda k: len(order[k]), default=len(order)), path.stem

    shown = []
    for path in sorted(drawn.glob("*.png"), key=rank):
        title, context = path.stem.replace("-", " "), ""
        if figure := figures().get(path.stem):
            title, context = figure.title, figure.context
        shown.append(_figure(path.with_suffix(""), title, context, folder))
    return shown


def _missing_figures(grid: Grid, results: Path, drawn: Path) -> dict[str, str]:
    """Target → title of the figures that could be drawn at the scale and are not there."""
    return {
        target_of("figure", name): figure.title
        for name, (figure, _) in drawable(grid, results).items()
        if not (drawn / f"{name}.png").exists()
    }


def _figure(path: Path, title: str, context: str, folder: Path) -> ShownFigure:
    files = {suffix: path.with_name(f"{path.name}.{suffix}") for suffix in ("pdf", "png", "csv")}
    image = b64encode(files["png"].read_bytes()).decode("ascii")
    address = f"data:image/png;base64,{image}"
    return ShownFigure(path.name, title, context, address, _links(files, folder))


def _split(name: str, splits: Path, results: Path, folder: Path) -> ShownSplit:
    task, lists = tasks.get(name), splits / name
    files = {
        file: lists / file for file in ("counts.csv", "recipe.yaml", "labeled.txt", "unlabeled.txt")
    }
    figure = None
    try:
        classes = class_distribution.class_images(lists / "counts.csv", task)
        lines = [_images(lists), *class_distribution.summary(classes, task.groups).splitlines()]
        path = results / "figures/splits" / f"class-distribution-{name}"
        if not _is_newer(path.with_name(f"{path.name}.png"), lists / "counts.csv"):
            class_distribution.write_class_distribution(classes, task, path)
        figure = _figure(path, f"Classes of {name}", "", folder)
    except (GbssError, OSError) as error:
        lines = str(error).splitlines()
    return ShownSplit(name, task.title, lines, figure, _links(files, folder))


def _images(lists: Path) -> str:
    """How many images a split has of each kind."""
    labeled, unlabeled = (
        (lists / f"{part}.txt").read_text(encoding="utf-8").splitlines()
        for part in ("labeled", "unlabeled")
    )
    few = sum(line.endswith("few-shot") for line in labeled)
    chosen = f", of them {few:,} few-shot ones with minority objects" if few else ""
    return f"{len(labeled):,} labeled images{chosen}; {len(unlabeled):,} unlabeled images"


def _is_newer(path: Path, source: Path) -> bool:
    return path.exists() and path.stat().st_mtime >= source.stat().st_mtime


def _runs(grid: Grid, results: Path, published: Path, folder: Path) -> list[ShownRun]:
    rows = grid.rows()
    labels = {row.id: row.label for row in rows}
    shown = []
    for place in grid.places(rows):
        files = {
            "record": place.record(results),
            "published record": place.record(published),
            "configuration": place.folder / "config.py",
            "manifest": place.manifest,
        }
        state = state_in(grid, place, published, results)
        # What an earlier version of a row left is no curve of today's numbers.
        changed = grid.is_changed(place)
        loss = None if changed else loss_of(place.folder, grid.iterations(place.row))
        shown.append(ShownRun(place, labels[place.row], state, loss, _links(files, folder)))
    return shown


def _links(files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Addresses relative to the page of those files that exist."""
    return {
        name: Path(os.path.relpath(path, folder)).as_posix()
        for name, path in files.items()
        if path.exists()
    }
