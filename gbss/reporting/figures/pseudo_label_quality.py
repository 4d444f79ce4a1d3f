"""Figure 1: precision and recall of pseudo labels, the ten best classes of each group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gbss.reporting.bars import class_panels
from gbss.reporting.figure import Figure
from gbss.reporting.numbers import looked_at, quality_by_class, shown_in_words
from gbss.reporting.study import Need, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

TOP = 10
"""Classes of a group that are shown, those with the highest AP."""


def numbers(study: Study) -> pd.DataFrame:
    """Right and wrong pseudo labels and objects by row, seed and class; the best AP first."""
    table = quality_by_class(study)
    best = best_classes(study)
    table["ap"] = table["class"].map(best)
    shown = [
        name
        for names in study.task.groups.values()
        for name in sorted(names, key=lambda each: -best.get(each, -1.0))[:TOP]
    ]
    order = {name: place for place, name in enumerate(shown)}
    table = table[table["class"].isin(order)]
    return table.sort_values("class", key=lambda names: names.map(order), kind="stable")


def best_classes(study: Study) -> dict[str, float]:
    """Class → mean AP over the compared rows, each row alike; classes without ground truth lack."""
    by_row: dict[str, dict[str, list[float]]] = {}
    for row, _, record in study.records():
        for each in record["per_class"]:
            if each["ap"] is not None:
                by_row.setdefault(each["name"], {}).setdefault(row.id, []).append(each["ap"])
    return {name: _mean(_mean(its) for its in rows.values()) for name, rows in by_row.items()}


def _mean(values: list[float] | Iterator[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """Bars by class: precision above, recall below."""
    classes = list(dict.fromkeys(numbers["class"]))
    titles = {column: f"{column} of pseudo labels" for column in ("precision", "recall")}
    shown = shown_in_words(classes, study, "those with the highest AP, mean of the rows")
    figure, axes = class_panels(numbers, study, classes, titles, looked_at(numbers), shown)
    for its, column in zip(axes, titles, strict=True):
        its.set_ylim(0, 1.03)
        its.set_ylabel(column)
    return figure


FIGURE = Figure(
    title="Precision and recall of pseudo labels by class",
    task="coco-split1",
    needs=(Need.PSEUDO_LABELS, Need.RECORD),
    numbers=numbers,
    draw=draw,
    paper=1,
)
