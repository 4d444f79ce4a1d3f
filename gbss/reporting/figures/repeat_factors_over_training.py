"""Repeat factors of the unlabeled images over training; not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gbss.reporting.figure import Figure
from gbss.reporting.numbers import by_group_over_training, table
from gbss.reporting.plotting import (
    PAGE,
    RANGES,
    course,
    end_of_warmup,
    letter,
    panels,
    ranges_of_groups,
    spread,
)
from gbss.reporting.study import Need, Study
from gbss.reporting.style import OBJECT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


def numbers(study: Study) -> pd.DataFrame:
    """Repeat factors r_c by group, and the mean number of copies of an unlabeled image."""
    lines = []
    for row, seed, log in study.logs():
        lines += by_group_over_training(study, row, seed, log["iteration"], log["class_repeats"])
        images = log["images_by_copies"]
        copies = (images * np.arange(1, images.shape[1] + 1)).sum(axis=1) / images.sum(axis=1)
        repeated = 1 - images[:, 0] / images.sum(axis=1)
        at = {int(done): number for number, done in enumerate(log["iteration"])}
        for line in lines:
            if (line["row"], line["seed"]) == (row.id, seed):
                number = at[line["iteration"]]
                line |= {"copies": copies[number], "repeated_images": repeated[number]}
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """Repeat factors of the classes on the left, the share of repeated images on the right."""
    notes = (f"(a) {RANGES}", spread(numbers, "(b) band"))
    figure, ((left, right),) = panels(study, numbers, 1, 2, (PAGE, 2.8), *notes)
    ranges_of_groups(left, numbers, study)
    left.set_ylim(bottom=0.95)
    left.set_ylabel("repeat factor of a class")
    letter(left, 0, "repeat factor r of the classes")
    once = numbers.drop_duplicates(["row", "seed", "iteration"])
    once = once.assign(percent=100 * once["repeated_images"])
    course(right, once, "percent", color=OBJECT)
    right.set_ylabel("% of the unlabeled images")
    right.set_xlabel("iteration")
    right.set_xlim(left=0)
    right.set_ylim(bottom=0)
    letter(right, 1, "images that are repeated")
    for axes in (left, right):
        for line in axes.lines:
            line.set_drawstyle("steps-post")
        end_of_warmup(axes, study)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


FIGURE = Figure(
    title="Repeat factors of the unlabeled images over training",
    task="coco-split1",
    needs=(Need.LOG,),
    numbers=numbers,
    draw=draw,
    compared=("gbss",),
)
