"""Class weights w over training; not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gbss.reporting.figure import Figure
from gbss.reporting.numbers import by_group_over_training, table
from gbss.reporting.plotting import BACKGROUND, RANGES, end_of_warmup, panels, ranges_of_groups
from gbss.reporting.study import Need, Study
from gbss.reporting.style import GUIDE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


def numbers(study: Study) -> pd.DataFrame:
    """Mean, lowest and highest weight of the classes of each group, and that of the background."""
    lines = []
    for row, seed, log in study.logs():
        iteration, weights = log["iteration"], log["weights"]
        lines += by_group_over_training(study, row, seed, iteration, weights[:, :-1])
        for done, weight in zip(iteration.tolist(), weights[:, -1].tolist(), strict=True):
            same = dict.fromkeys(("mean", "lowest", "highest"), weight)
            one = {"row": row.id, "seed": seed, "iteration": done, "group": BACKGROUND}
            lines.append(one | same)
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """The mean of each group, in the range of its classes."""
    figure, ((axes,),) = panels(study, numbers, 1, 1, (5.0, 2.8), RANGES)
    ranges_of_groups(axes, numbers, study)
    axes.axhline(1, color=GUIDE, lw=0.8, zorder=0)
    # The direct solution may have negative ones.
    if numbers["lowest"].min() >= 0:
        axes.set_ylim(bottom=0)
    else:
        axes.axhline(0, color="#222222", lw=0.6, zorder=0)
    axes.set_ylabel("class weight")
    end_of_warmup(axes, study)
    figure.legend(loc="outside right center")
    return figure


FIGURE = Figure(
    title="Class weights over training",
    task="coco-split1",
    needs=(Need.LOG,),
    numbers=numbers,
    draw=draw,
    compared=("gbss",),
)
