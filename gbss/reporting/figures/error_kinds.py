"""Kinds of errors by group, in the manner of TIDE; not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gbss.evaluation.error_types import KINDS, error_types
from gbss.reporting.bars import grouped_bars, legend_of_rows
from gbss.reporting.figure import Figure
from gbss.reporting.numbers import members, table
from gbss.reporting.plotting import PAGE, letter, panels, shown_groups, spread
from gbss.reporting.study import Need, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


def numbers(study: Study) -> pd.DataFrame:
    """Errors of each kind, and the AP50 that they cost, mean of the classes with ground truth.

    A group without ground truth has no cost.
    """
    lines = []
    for row, seed, found in study.detections():
        errors = error_types(found, study.truth)
        for group, places in members(study).items():
            its = places[~np.isnan(errors.ap50[places])]
            lines += [
                {
                    "row": row.id,
                    "seed": seed,
                    "group": group,
                    "kind": kind,
                    "errors": int(errors.count[kind][places].sum()),
                    "cost": errors.cost[kind][its].mean() if len(its) else np.nan,
                    "ap50": errors.ap50[its].mean() if len(its) else np.nan,
                }
                for kind in KINDS
            ]
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """A panel for each group with the cost of each kind in points of AP50."""
    groups = shown_groups(numbers, study)
    size = (min(PAGE, 0.6 + 3 * len(groups)), 2.9)
    figure, (axes,) = panels(study, numbers, 1, len(groups), size, spread(numbers, "whiskers"))
    top = 105 * np.nanmax([*numbers["cost"], 0]) or 1
    for place, (its, group) in enumerate(zip(axes, groups, strict=True)):
        mine = numbers[numbers["group"] == group].assign(points=lambda n: 100 * n["cost"])
        grouped_bars(its, mine, "kind", "points", study, dict.fromkeys(KINDS, group))
        there = mine["cost"].notna().any()
        letter(its, place, f"{group} classes" + ("" if there else ": no objects"))
        its.set_ylim(0, top)
        its.set_xticks(its.get_xticks(), [*KINDS], rotation=30, ha="right", rotation_mode="anchor")
    axes[0].set_ylabel("points of AP50 that the errors cost")
    legend_of_rows(figure, numbers, study)
    return figure


FIGURE = Figure(
    title="What each kind of error costs, by group",
    task="coco-split1",
    needs=(Need.DETECTIONS,),
    numbers=numbers,
    draw=draw,
)
