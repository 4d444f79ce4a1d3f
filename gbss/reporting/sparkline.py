"""The course of a run's loss, small enough for a cell of a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gbss.errors import GbssError
from gbss.grid.logs import read_losses

WIDTH, HEIGHT = 120, 24
"""Of the drawing, in its own units."""

POINTS = 60
"""At most so many: each is the mean of the logged losses around it."""

START = 0.05
"""Share of the training whose losses, far above all others, do not set the height."""


@dataclass(frozen=True)
class Sparkline:
    """A line of an SVG, with its ends in words.

    Attributes:
        points: ``x,y`` of each point, as a ``polyline`` has them.
        first: The first mean loss.
        last: The last one.
    """

    points: str
    first: float
    last: float


def loss_of(folder: Path, iterations: int) -> Sparkline | None:
    """The whole loss of a run over its iterations; None without a log of at least two losses.

    Args:
        folder: The run's.
        iterations: Of the whole training: a run that is still trained fills a part of the width.
    """
    try:
        log = read_losses(folder)
    except (GbssError, OSError, ValueError, TypeError):
        # The page tells of everything else, whatever is the matter with one log.
        return None
    finite = np.isfinite(log.get("loss", np.empty(0)))
    if finite.sum() < 2:
        return None
    parts = min(POINTS, int(finite.sum()))
    its, loss = (
        np.array([part.mean() for part in np.array_split(values, parts)])
        for values in (log["iter"][finite], log["loss"][finite])
    )
    later = loss[its > START * iterations]
    top = float(later.max() if later.size else loss.max())
    x = WIDTH * its / iterations
    y = HEIGHT * (1 - np.minimum(loss / top, 1)) if top > 0 else np.full(parts, HEIGHT)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return Sparkline(points, float(loss[0]), float(loss[-1]))
