"""Figure 2: precision and recall of pseudo labels by group: on LVIS rare, common, frequent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gbss.reporting.bars import bars_of_groups, legend_of_rows
from gbss.reporting.figure import Figure
from gbss.reporting.numbers import looked_at, quality_by_class
from gbss.reporting.plotting import letter, panels, spread
from gbss.reporting.study import Need, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


def numbers(study: Study) -> pd.DataFrame:
    """Means over the classes of a group that have pseudo labels (precision) or objects (recall)."""
    by_class = quality_by_class(study)
    keys = ["row", "seed", "group", "images", "of"]
    groups = by_class.groupby(keys, sort=False)
    table = groups[["precision", "recall"]].mean()
    table["classes"] = groups["class"].count()
    table["with_pseudo_labels"] = groups["precision"].count()
    table["with_objects"] = groups["recall"].count()
    return table.reset_index()


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """Bars by group: precision, recall."""
    notes = (looked_at(numbers), spread(numbers, "whiskers"))
    figure, (axes,) = panels(study, numbers, 1, 2, (5.2, 2.6), *notes)
    for place, (its, column) in enumerate(zip(axes, ("precision", "recall"), strict=True)):
        bars_of_groups(its, numbers, column, study)
        letter(its, place, f"{column} of pseudo labels")
        its.set_ylabel(f"mean {column} of the classes")
        top = np.nanmax([*numbers[column], 0.01])
        its.set_ylim(0, min(1.03, 1.15 * top))
    legend_of_rows(figure, numbers, study)
    return figure


FIGURE = Figure(
    title="Precision and recall of pseudo labels by group",
    task="lvis",
    needs=(Need.PSEUDO_LABELS,),
    numbers=numbers,
    draw=draw,
    compared=("soft-teacher-rfs", "eqlv2", "gbss"),
    paper=2,
)
