"""What the objects of minority classes are taken for; not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gbss.evaluation.confusion import confusion, look_alikes
from gbss.reporting.figure import Figure
from gbss.reporting.numbers import table
from gbss.reporting.plotting import PAGE, panels, shown_rows
from gbss.reporting.study import Need, Study
from gbss.reporting.style import TAIL, style_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

SHOWN = 12
"""Minority classes that are shown, those with the most objects."""

PARTS: dict[str, tuple[str | None, str | None]] = {
    "itself": (None, None),
    "look-alike": ("#222222", None),
    "another class": ("white", "//////"),
    "nothing": ("white", None),
}
"""What an object is taken for, from left to right; colour of its bar (None: the group's), hatch."""

COLUMNS = ["row", "seed", "class", "group", "look_alike", "taken_for", "objects", "share"]


def numbers(study: Study) -> pd.DataFrame:
    """Objects of each minority class by what they are taken for.

    The look-alike of a class is the one that the first row, all seeds together, takes most of its
    objects for that it does not recognise; it is the same for all rows.
    """
    counts = {
        (row.id, seed): confusion(found, study.truth) for row, seed, found in study.detections()
    }
    first = study.rows[0].id
    together = np.stack([its for (row, _), its in counts.items() if row == first]).sum(axis=0)
    alike = look_alikes(together)
    names = study.task.classes
    tail = [place for place, name in enumerate(names) if study.group_of[name] in TAIL]
    objects = next(iter(counts.values())).sum(axis=1)
    shown = [place for place in sorted(tail, key=lambda k: -objects[k])[:SHOWN] if objects[place]]
    lines = []
    for (row, seed), its in counts.items():
        for place in sorted(shown):
            mine, twin = its[place], int(alike[place])
            parts = {
                "itself": mine[place],
                "look-alike": mine[twin] if twin >= 0 else 0,
                "nothing": mine[-1],
            }
            parts["another class"] = mine.sum() - sum(parts.values())
            lines += [
                {
                    "row": row,
                    "seed": seed,
                    "class": names[place],
                    "group": study.group_of[names[place]],
                    "look_alike": names[twin] if twin >= 0 else "",
                    "taken_for": part,
                    "objects": int(parts[part]),
                    "share": parts[part] / mine.sum(),
                }
                for part in PARTS
            ]
    return table(lines, COLUMNS)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """A bar of the whole for each class and row, in parts."""
    rows = shown_rows(numbers, study)
    classes = list(dict.fromkeys(numbers["class"]))
    height = 1.1 + 0.2 * len(classes) * (len(rows) + 0.6)
    figure, ((axes,),) = panels(study, numbers, 1, 1, (PAGE, height))
    if not classes:
        axes.text(0.5, 0.5, "no objects of minority classes", ha="center")
        axes.set_axis_off()
        return figure
    means = numbers.groupby(["class", "row", "taken_for"])["share"].mean()
    alike = numbers.drop_duplicates("class").set_index("class")["look_alike"].fillna("")
    places, labels = [], []
    for number, name in enumerate(classes):
        for below, (row, label) in enumerate(rows.items()):
            place = number * (len(rows) + 0.7) + below
            left = 0.0
            for part, (colour, hatch) in PARTS.items():
                share = 100 * float(means.get((name, row, part), np.nan))
                face = colour or style_of(study.group_of[name]).colour
                look = {"facecolor": face, "hatch": hatch, "edgecolor": "#222222", "lw": 0.5}
                axes.barh(place, share, 0.85, left, **look)
                left += share
            places.append(place)
            labels.append(f"{name}: {label}")
        twin = f"look-alike: {alike[name]}" if alike[name] else "no look-alike"
        axes.text(101, place - (len(rows) - 1) / 2, twin, va="center", fontsize=7)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the class's objects in the validation images, mean over the seeds")
    _legend(figure)
    return figure


def _legend(figure: Drawing) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(
            facecolor=colour or style_of(TAIL[0]).colour,
            edgecolor="#222222",
            hatch=hatch,
            lw=0.5,
            label=part,
        )
        for part, (colour, hatch) in PARTS.items()
    ]
    figure.legend(handles=handles, title="taken for", loc="outside lower center", ncols=len(PARTS))


FIGURE = Figure(
    title="What the objects of minority classes are taken for",
    task="coco-split1",
    needs=(Need.DETECTIONS,),
    numbers=numbers,
    draw=draw,
)
