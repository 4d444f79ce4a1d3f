"""Figure 5: positive and negative gradient of one minority class, with and without GbR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gbss.errors import fail, nearest
from gbss.reporting.compared import WITHOUT_AND_WITH_GBR
from gbss.reporting.figure import Figure
from gbss.reporting.numbers import UNDER_W, gradients, table
from gbss.reporting.plotting import (
    PAGE,
    course,
    end_of_warmup,
    letter,
    panels,
    plain_log,
    shown_rows,
    spread,
)
from gbss.reporting.study import Need, Study
from gbss.reporting.style import GUIDE, OBJECT, TAIL, line_of, style_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


def chosen(study: Study) -> str:
    """The class that is shown: by default the minority class in the middle of labeled boxes.

    The paper shows "laptop", which is a majority class in every split of the released code.

    Raises:
        GbssError: The task has no such class, or no minority.
    """
    if study.class_name is not None:
        if study.class_name not in study.task.classes:
            raise fail(
                "class",
                found=repr(study.class_name),
                expected=nearest(study.class_name, study.task.classes),
                fix="name a class of the task",
            )
        return study.class_name
    boxes = study.labeled_boxes()
    tail = [name for name in study.task.classes if study.group_of[name] in TAIL]
    if not tail:
        raise fail(
            f"task {study.task.name!r}",
            found=f"groups {', '.join(study.task.groups)}",
            expected=f"one of {', '.join(TAIL)}",
            fix="say with --class which class to show",
        )
    return sorted(tail, key=lambda name: boxes[name])[(len(tail) - 1) // 2]


def numbers(study: Study) -> pd.DataFrame:
    """The positive and the negative gradient on the class's logit, under the class weights."""
    name = chosen(study)
    place = study.task.classes.index(name)
    lines = []
    for row, seed, log in study.logs():
        positive, negative = gradients(study, row, log)
        for number, iteration in enumerate(log["iteration"].tolist()):
            lines.append(
                {
                    "row": row.id,
                    "seed": seed,
                    "iteration": iteration,
                    "class": name,
                    "positive": positive[number, place],
                    "negative": negative[number, place],
                }
            )
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """A panel for each row with both gradients, and one with their ratio: GbR brings it to 1."""
    rows = shown_rows(numbers, study)
    name = str(numbers["class"].iloc[0])
    colour = style_of(study.group_of.get(name, "")).line
    notes = (name, UNDER_W, spread(numbers, "band"))
    figure, (axes,) = panels(study, numbers, 1, len(rows) + 1, (PAGE, 3.0), *notes)
    both = numbers[["positive", "negative"]].to_numpy()
    above = both[both > 0]
    numbers = numbers.assign(ratio=numbers["negative"] / numbers["positive"].where(lambda p: p > 0))
    for place, (row, label) in enumerate(rows.items()):
        its = numbers[numbers["row"] == row]
        course(axes[place], its, "positive", color=colour, label="positive")
        course(axes[place], its, "negative", color=OBJECT, linestyle="--", label="negative")
        letter(axes[place], place, label)
        line = line_of(place, len(rows))
        course(axes[-1], its, "ratio", color="#222222", linestyle=line, label=label)
    axes[0].set_ylabel("gradient on the logit")
    for its in axes[:-1]:
        if len(above):  # the class has been seen
            its.set_yscale("log")
            its.set_ylim(0.8 * above.min(), 1.3 * above.max())
            plain_log(its.yaxis)
    axes[-1].axhline(1, color=GUIDE, lw=0.8, zorder=0)
    axes[-1].set_yscale("log")
    plain_log(axes[-1].yaxis)
    letter(axes[-1], len(rows), "negative / positive")
    for its in axes:
        its.set_xlabel("iteration")
        its.set_xlim(left=0)
        end_of_warmup(its, study, low=True)
        its.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return figure


FIGURE = Figure(
    title="Positive and negative gradient of a minority class with and without GbR",
    task="coco-split1",
    needs=(Need.LOG,),
    numbers=numbers,
    draw=draw,
    compared=WITHOUT_AND_WITH_GBR,
    paper=5,
    of_a_class=True,
    note="The paper takes laptop for a minority class, which is a majority class in every split of "
    "the released code; here it is a minority class of the task.",
)
