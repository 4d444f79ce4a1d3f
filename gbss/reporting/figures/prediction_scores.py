"""Figure 4: mean prediction score of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gbss.reporting.bars import class_panels
from gbss.reporting.figure import Figure
from gbss.reporting.numbers import MOST_OBJECTS, shown_classes, shown_in_words, table
from gbss.reporting.study import Need, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

KEPT = 0.05
"""Detections above this score count: on LVIS the detector keeps more than elsewhere."""

COLUMNS = {
    "score_on_objects": "score of the true class, on the annotated boxes",
    "score_of_detections": f"score of the detections of the class that are above {KEPT}",
}


def numbers(study: Study) -> pd.DataFrame:
    """Two readings of "prediction score", on the validation images.

    What the classifier says of a class on the annotated boxes of its objects, and the mean score
    of the detections of the class above `KEPT`.
    """
    on_objects = {(row.id, seed): logits for row, seed, logits in study.class_logits()}
    n = len(study.task.classes)
    lines = []
    for row, seed, every in study.detections():
        found = every.where(every.scores > KEPT)
        count = np.bincount(found.classes, minlength=n)
        total = np.bincount(found.classes, found.scores, minlength=n)
        mean = np.divide(total, count, out=np.full(n, np.nan), where=count > 0)
        logits = on_objects.get((row.id, seed))
        for place, name in enumerate(study.task.classes):
            lines.append(
                {
                    "row": row.id,
                    "seed": seed,
                    "class": name,
                    "group": study.group_of[name],
                    "objects": 0 if logits is None else int(logits.objects[place]),
                    "score_on_objects": np.nan if logits is None else logits.scores[place, place],
                    "detections": int(count[place]),
                    "score_of_detections": mean[place],
                }
            )
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """Bars by class, both readings below each other."""
    classes = shown_classes(numbers, study)
    shown = shown_in_words(classes, study, MOST_OBJECTS)
    figure, axes = class_panels(numbers, study, classes, COLUMNS, shown)
    for its in axes:
        its.set_ylabel("mean score")
        its.set_ylim(0, 1.03)
    return figure


FIGURE = Figure(
    title="Mean prediction score of each class",
    task="coco-split1",
    needs=(Need.DETECTIONS, Need.CLASS_LOGITS),
    numbers=numbers,
    draw=draw,
    paper=4,
)
