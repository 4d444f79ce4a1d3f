"""What the workflow knows of figures: their files, and what these are made from."""

from __future__ import annotations

from pathlib import Path

from gbss.grid import Grid
from gbss.grid.targets import FigureFiles
from gbss.reporting.figure import Figure, drawable, path_of
from gbss.reporting.study import Need, Study


def files_of(name: str, figure: Figure, study: Study, grid: Grid) -> FigureFiles:
    """What the workflow knows of a figure.

    Its files come from all planned runs. One that was published with runs from elsewhere is made
    from its own numbers.
    """
    path = path_of(name, study)
    places = [place for row in study.rows for place in study.places(row)]
    files: list[Path] = []
    kept = any(grid.is_kept(place, study.results) for place in places)
    if figure.one_seed:
        places = [study.places(row)[0] for row in study.rows]
    if not (kept and path.with_name(f"{path.name}.csv").exists()):
        # A log is no output of its own: it is there when the weights are.
        files = [
            place.model if need is Need.LOG else study.file(need, place)
            for need in figure.needs
            for place in places
        ]
        files += study.annotations(figure.needs)
    outputs = tuple(path.with_name(f"{path.name}.{suffix}") for suffix in ("pdf", "png"))
    return FigureFiles(outputs, tuple(places) if files else (), tuple(files))


def figure_files(grid: Grid, results: Path) -> dict[str, FigureFiles]:
    """What the workflow knows of all figures of a scale."""
    return {
        name: files_of(name, figure, study, grid)
        for name, (figure, study) in drawable(grid, results).items()
    }
