"""Losses over training; not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gbss.reporting.figure import Figure
from gbss.reporting.numbers import table
from gbss.reporting.plotting import PAGE, course, letter, panels, shown_rows, spread
from gbss.reporting.study import Need, Study
from gbss.reporting.style import GUIDE, OBJECT, line_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

BRANCHES = {"sup": "labeled", "unsup": "pseudo labels"}
LOSSES = {
    "loss_rpn_cls": "proposals",
    "loss_rpn_bbox": "boxes of proposals",
    "loss_cls": "classes",
    "loss_bbox": "boxes",
}


def numbers(study: Study) -> pd.DataFrame:
    """The losses that mmengine logged, with their weights in the whole."""
    names = ["loss", *(f"{branch}_{loss}" for branch in BRANCHES for loss in LOSSES)]
    lines = []
    for row, seed, log in study.losses():
        nothing = np.full(len(log["iter"]), np.nan)
        columns = {name: log.get(name, nothing) for name in names}
        for number, iteration in enumerate(log["iter"].tolist()):
            one = {"row": row.id, "seed": seed, "iteration": iteration}
            lines.append(one | {name: values[number] for name, values in columns.items()})
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """A panel for each loss: labeled images above, unlabeled ones below."""
    note = spread(numbers, "band")
    figure, axes = panels(study, numbers, len(BRANCHES), len(LOSSES), (PAGE, 3.4), note)
    rows = shown_rows(numbers, study)
    first = 0.05 * numbers["iteration"].max()
    for number, name in enumerate(f"{b}_{loss}" for b in BRANCHES for loss in LOSSES):
        its = axes.flat[number]
        for place, (row, label) in enumerate(rows.items()):
            style = {"color": OBJECT if place == len(rows) - 1 else "#444444", "lw": 0.9}
            line = line_of(place, len(rows))
            course(its, numbers[numbers["row"] == row], name, linestyle=line, label=label, **style)
        loss = name.split("_", 1)[1]
        letter(its, number, LOSSES[loss])
        its.set_xlim(left=0)
        # The first steps would flatten all that follows.
        later = numbers.loc[numbers["iteration"] > first, name].dropna()
        its.set_ylim(0, 1.15 * later.max() if later.any() else 1)
        its.grid(axis="y", color=GUIDE, linewidth=0.4)
    for its in axes[-1]:
        its.set_xlabel("iteration")
    for its, branch in zip(axes[:, 0], BRANCHES.values(), strict=True):
        its.set_ylabel(f"loss, {branch}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


FIGURE = Figure(
    title="Losses over training",
    task="coco-split1",
    needs=(Need.LOG,),
    numbers=numbers,
    draw=draw,
    compared=("soft-teacher", "soft-teacher-rfs", "gbss"),
)
