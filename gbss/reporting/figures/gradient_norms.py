"""Figure 3: mean gradient norm of majority and minority classes over training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gbss.reporting.figure import Figure
from gbss.reporting.numbers import UNDER_W, by_group_over_training, gradients, table
from gbss.reporting.plotting import courses_of_groups, end_of_warmup, panels, plain_log, spread
from gbss.reporting.study import Need, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


def numbers(study: Study) -> pd.DataFrame:
    """The sum of the positive and the negative gradient on a class's logit, by group."""
    lines = []
    for row, seed, log in study.logs():
        positive, negative = gradients(study, row, log)
        norm = (positive + negative)[:, :-1]
        lines += by_group_over_training(study, row, seed, log["iteration"], norm)
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """Lines by group and row; the axis is logarithmic, as the groups differ by a factor."""
    notes = (UNDER_W, spread(numbers, "band"))
    figure, ((axes,),) = panels(study, numbers, 1, 1, (5.6, 3.0), *notes)
    courses_of_groups(axes, numbers, "mean", study)
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_ylabel("gradient norm, mean of the classes")
    end_of_warmup(axes, study)
    figure.legend(loc="outside right center")
    return figure


FIGURE = Figure(
    title="Gradient norms of the groups over training",
    task="coco-split1",
    needs=(Need.LOG,),
    numbers=numbers,
    draw=draw,
    paper=3,
)
