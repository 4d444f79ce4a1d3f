"""Figure 6: class logits with and without GbR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gbss.reporting.bars import class_panels
from gbss.reporting.compared import WITHOUT_AND_WITH_GBR
from gbss.reporting.figure import Figure
from gbss.reporting.numbers import MOST_OBJECTS, shown_classes, shown_in_words, table
from gbss.reporting.study import Need, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

COLUMNS = {
    "own": "logit of a class on its own objects",
    "on_others": "logit of a class on the objects of other classes",
}


def numbers(study: Study) -> pd.DataFrame:
    """Mean logits on the annotated boxes of the validation images.

    A softmax does not see what all logits of a box have in common, so it is taken away: logits are
    held against the mean over all classes and the background.
    """
    lines = []
    for row, seed, logits in study.class_logits():
        centred = logits.logits - logits.logits.mean(axis=1, keepdims=True)
        n = len(logits.objects)
        foreign = np.where(np.eye(n, dtype=np.bool_), np.nan, centred[:, :n])
        there = ~np.isnan(foreign)
        total, count = np.where(there, foreign, 0).sum(axis=0), there.sum(axis=0)
        others = np.divide(total, count, out=np.full(n, np.nan), where=count > 0)
        for place, name in enumerate(study.task.classes):
            lines.append(
                {
                    "row": row.id,
                    "seed": seed,
                    "class": name,
                    "group": study.group_of[name],
                    "objects": int(logits.objects[place]),
                    "own": centred[place, place],
                    "on_others": others[place],
                    "bias": logits.bias[place],
                    "norm": logits.norms[place],
                }
            )
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """Bars by class: on its own objects above, on those of others below."""
    classes = shown_classes(numbers, study)
    shown = shown_in_words(classes, study, MOST_OBJECTS)
    figure, axes = class_panels(numbers, study, classes, COLUMNS, shown)
    for its in axes:
        its.set_ylabel("mean logit")
        its.axhline(0, color="#222222", lw=0.6)
    return figure


FIGURE = Figure(
    title="Class logits with and without GbR",
    task="coco-split1",
    needs=(Need.CLASS_LOGITS,),
    numbers=numbers,
    draw=draw,
    compared=WITHOUT_AND_WITH_GBR,
    paper=6,
)
