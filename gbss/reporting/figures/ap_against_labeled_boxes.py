"""AP of each class against the number of its labeled boxes, for two methods; not in the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gbss.reporting.figure import Figure
from gbss.reporting.numbers import table
from gbss.reporting.plotting import panels, plain_log, shown_groups, shown_rows
from gbss.reporting.study import Need, Study
from gbss.reporting.style import GUIDE, style_of, tail_last

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


MANY = 100
"""Beyond so many classes markers are small and let those below show."""

BESIDE = 0.04
"""Classes with the same number of boxes stand up to this share of it to the left and right."""


def numbers(study: Study) -> pd.DataFrame:
    """AP and labeled boxes by row, seed and class; classes without ground truth are left out."""
    boxes = study.labeled_boxes()
    return table(
        [
            {
                "row": row.id,
                "seed": seed,
                "class": each["name"],
                "group": each["group"],
                "labeled_boxes": boxes[each["name"]],
                "ap": each["ap"],
            }
            for row, seed, record in study.records()
            for each in record["per_class"]
            if each["ap"] is not None
        ]
    )


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """A marker for each class and row, hollow for the first; a line leads from one to the other."""
    figure, ((axes,),) = panels(study, numbers, 1, 1, (5.0, 3.2))
    rows = shown_rows(numbers, study)
    keys = ["group", "class", "labeled_boxes"]
    means = 100 * numbers.pivot_table(index=keys, columns="row", values="ap")[[*rows]]
    boxes = means.index.get_level_values("labeled_boxes").tolist()
    means.insert(0, "x", beside_each_other(boxes))
    many = len(means) > MANY
    axes.vlines(
        means["x"],
        means[[*rows]].min(axis=1),
        means[[*rows]].max(axis=1),
        color=GUIDE,
        lw=0.3 if many else 0.8,
        zorder=1,
    )
    for group in tail_last(shown_groups(numbers, study)):
        style, its = style_of(group), means.loc[group]
        for place, (row, label) in enumerate(rows.items()):
            axes.scatter(
                its["x"],
                its[row],
                marker=style.marker,
                s=9 if many else 26,
                alpha=0.6 if many else 1,
                facecolors=style.colour if place == len(rows) - 1 else "white",
                edgecolors=style.line,
                linewidths=0.5 if many else 0.9,
                label=f"{group}, {label}",
                zorder=2,
            )
    if (numbers["labeled_boxes"] > 0).all():
        axes.set_xscale("log")
        plain_log(axes.xaxis)
    else:
        axes.set_xscale("symlog", linthresh=1)
    axes.set_xlabel("labeled boxes of the class")
    axes.set_ylabel("AP, mean over the seeds")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=GUIDE, linewidth=0.4)
    figure.legend(loc="outside right center")
    return figure


def beside_each_other(boxes: Sequence[int]) -> list[float]:
    """Places on the axis; classes with the same number stand a little apart."""
    same = Counter(boxes)
    met: Counter[int] = Counter()
    places = []
    for count in boxes:
        share = met[count] / (same[count] - 1) if same[count] > 1 else 0.5
        places.append(count * (1 + BESIDE * (2 * share - 1)))
        met[count] += 1
    return places


FIGURE = Figure(
    title="AP against the number of labeled boxes",
    task="coco-split1",
    needs=(Need.RECORD,),
    numbers=numbers,
    draw=draw,
)
