"""Class-wise thresholds over training; not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gbss.reporting.figure import Figure
from gbss.reporting.numbers import by_group_over_training, table
from gbss.reporting.plotting import RANGES, end_of_warmup, panels, ranges_of_groups
from gbss.reporting.study import Need, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


def numbers(study: Study) -> pd.DataFrame:
    """Mean, lowest and highest threshold of the classes of each group."""
    lines = []
    for row, seed, log in study.logs():
        lines += by_group_over_training(study, row, seed, log["iteration"], log["thresholds"])
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """The mean of each group, in the range of its classes."""
    figure, ((axes,),) = panels(study, numbers, 1, 1, (5.0, 2.8), RANGES)
    ranges_of_groups(axes, numbers, study)
    axes.set_ylabel("threshold of pseudo labels")
    end_of_warmup(axes, study, low=True)
    figure.legend(loc="outside right center")
    return figure


FIGURE = Figure(
    title="Thresholds of pseudo labels over training",
    task="coco-split1",
    needs=(Need.LOG,),
    numbers=numbers,
    draw=draw,
    compared=("gbss",),
)
