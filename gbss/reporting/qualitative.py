"""Figures 8 to 10: images with the boxes of each method, chosen by a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gbss.errors import fail
from gbss.evaluation.confusion import SCORE
from gbss.evaluation.found import Found
from gbss.evaluation.matching import Matches, match
from gbss.reporting.numbers import table
from gbss.reporting.plotting import PAGE, panels, shown_groups, shown_rows
from gbss.reporting.study import Study
from gbss.reporting.style import HEAD, style_of, tail_last

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

GAINS, LOSSES = 4, 2
"""Images with the largest gain and with the largest loss that are shown."""

TRUTH = "ground truth"

PAPER_NOTE = "The paper's text on these figures names C2AM, which none of them shows."
"""What does not fit together in the paper."""

NOTE = (
    f"boxes with a score above {SCORE}; not shown: crowds, and detections that the annotations "
    "cannot judge"
)
"""What stands above the images."""


def numbers(study: Study) -> pd.DataFrame:
    """The boxes of the chosen images, by method; one seed, the first that all rows have.

    An optional row that shares no seed with the others is left out.

    The gain of an image is what the last row does better than the first on its minority classes
    (on LVIS the rare and the common ones): right detections less wrong ones, above a score of 0.5.
    Shown are the largest gains, then the largest losses; of equal ones the image with more
    minority objects, then the lower id.
    """
    truth = study.truth
    by_row: dict[str, dict[int, Found]] = {}
    for row, seed, every in study.detections():
        by_row.setdefault(row.id, {})[seed] = every.where(every.scores > SCORE)
    seed = _shared_seed(by_row, study)
    found = {row: seeds[seed] for row, seeds in by_row.items() if seed in seeds}
    matches = {row: match(its, truth) for row, its in found.items()}
    tail = np.array([study.group_of[name] not in HEAD for name in study.task.classes])
    first, last = study.rows[0].id, study.rows[-1].id
    points = {row: _points(found[row], matches[row], tail, len(truth.image_ids)) for row in found}
    gain = points[last] - points[first]
    lines: list[dict[str, Any]] = []
    for image in chosen_images(gain, _objects(study, tail)):
        about = {
            "image": int(truth.image_ids[image]),
            "file": truth.file_names[image],
            "gain": int(gain[image]),
            "seed": seed,
        }
        lines += [about | line for line in _truth_lines(study, image)]
        for name, its in found.items():
            lines += [about | line for line in _lines(study, name, its, matches[name], image)]
    return table(lines or [_no_image(seed, row) for row in (TRUTH, *found)])


def _shared_seed(by_row: Mapping[str, Mapping[int, Found]], study: Study) -> int:
    """The first seed of all rows; those of optional rows count if there is one of the others."""
    needed = [set(seeds) for row, seeds in by_row.items() if row not in study.optional]
    common = set.intersection(*needed)
    if not common:
        raise fail(
            "detections",
            found="no seed that all rows have",
            expected=f"one seed of {', '.join(by_row)}",
            fix="run one seed of each row",
        )
    for row, seeds in by_row.items():
        if row in study.optional:
            common = common & set(seeds) or common
    return min(common)


def chosen_images(gain: NDArray[Any], objects: NDArray[Any]) -> list[int]:
    """Positions of the images with the largest gains above 0, then the largest losses.

    Args:
        gain: (N,) of each image.
        objects: (N,) minority objects of each image: more of them go first.
    """
    order = np.lexsort((np.arange(len(gain)), -objects, -gain))
    gains = [int(image) for image in order if gain[image] > 0][:GAINS]
    back = np.lexsort((np.arange(len(gain)), -objects, gain))
    return gains + [int(image) for image in back if gain[image] < 0][:LOSSES]


def _points(found: Found, matches: Matches, tail: NDArray[Any], images: int) -> NDArray[Any]:
    its = tail[found.classes]
    value = np.where(matches.right, 1, np.where(matches.wrong, -1, 0)) * its
    return np.bincount(found.images, value, minlength=images).round().astype(np.int64)


def _objects(study: Study, tail: NDArray[Any]) -> NDArray[Any]:
    truth = study.truth
    its = truth.box_images[tail[truth.box_classes] & ~truth.crowd]
    return np.bincount(its, minlength=len(truth.image_ids))


def _truth_lines(study: Study, image: int) -> list[dict[str, Any]]:
    truth = study.truth
    mine = np.flatnonzero((truth.box_images == image) & ~truth.crowd)
    boxes = [_box(study, truth.box_classes[n], truth.boxes[n], np.nan, "object") for n in mine]
    return [{"row": TRUTH} | box for box in boxes or [_no_box()]]


def _lines(
    study: Study, row: str, found: Found, matches: Matches, image: int
) -> list[dict[str, Any]]:
    mine = np.flatnonzero((found.images == image) & (matches.right | matches.wrong))
    boxes = [
        _box(
            study,
            found.classes[n],
            found.boxes[n],
            found.scores[n],
            "right" if matches.right[n] else "wrong",
        )
        for n in mine
    ]
    return [{"row": row} | box for box in boxes or [_no_box()]]


def _box(study: Study, place: int, box: NDArray[Any], score: float, what: str) -> dict[str, Any]:
    name = study.task.classes[place]
    sides = dict(zip(("x", "y", "width", "height"), box.tolist(), strict=True))
    return {"what": what, "class": name, "group": study.group_of[name], "score": score, **sides}


def _no_box() -> dict[str, Any]:
    """Stands for a method that finds nothing in an image."""
    empty = dict.fromkeys(("score", "x", "y", "width", "height"), np.nan)
    return {"what": "none", "class": "", "group": "", **empty}


def _no_image(seed: int, row: str) -> dict[str, Any]:
    """Stands for all images where no row gains or loses anything."""
    return {"image": -1, "file": "", "gain": 0, "seed": seed, "row": row} | _no_box()


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """A column for each image, a line for each method.

    The group has the colour; boxes that count in the gain are drawn thick, wrong ones dashed.
    """
    images = [image for image in dict.fromkeys(numbers["image"]) if image >= 0]
    rows = shown_rows(numbers, study) if images else {TRUTH: TRUTH}
    side = min(1.45, (PAGE - 0.4) / max(len(images), 1))
    size = (0.5 + side * max(len(images), 3), 0.8 + (side + 0.06) * len(rows))
    figure, axes = panels(study, numbers, len(rows), max(len(images), 1), size, NOTE)
    for column, image in enumerate(images):
        its = numbers[numbers["image"] == image]
        picture = _picture(study, str(its["file"].iloc[0]))
        for line, (row, label) in enumerate(rows.items()):
            axes[line, column].imshow(picture, cmap="gray", interpolation="nearest")
            _boxes(axes[line, column], its[its["row"] == row])
            axes[line, column].set(xticks=[], yticks=[])
            axes[line, column].spines[:].set_visible(False)
            if column == 0:
                axes[line, column].set_ylabel(_broken(label))
        gain = int(its["gain"].iloc[0])
        text = f"gain {gain:+d}" if gain > 0 else f"loss \N{MINUS SIGN}{-gain}"
        axes[0, column].set_title(f"{text}\nimage {image}", fontsize=7)
    if not images:
        axes[0, 0].text(0.5, 0.5, "no image with a gain or a loss", ha="center")
        axes[0, 0].set_axis_off()
    _legend(figure, shown_groups(numbers, study))
    return figure


def _picture(study: Study, name: str) -> NDArray[Any]:
    from matplotlib.image import imread

    path = study.scale.root(study.task.name) / study.task.files.val_images / name
    if not path.is_file():
        raise fail(
            str(path),
            found="no such file",
            expected="an image that the figure shows",
            fix="draw or fetch the data of the task: see README.md, 'Single steps'",
        )
    return imread(path)


def _boxes(axes: Axes, boxes: pd.DataFrame) -> None:
    from matplotlib.patches import Rectangle

    its = boxes[boxes["what"] != "none"]
    for group in tail_last(its["group"].unique()):
        for _, box in its[its["group"] == group].iterrows():
            axes.add_patch(
                Rectangle(
                    (box["x"], box["y"]),
                    box["width"],
                    box["height"],
                    fill=False,
                    linestyle=(0, (2, 1.2)) if box["what"] == "wrong" else "-",
                    zorder=2,
                    **_look(group),
                )
            )


def _look(group: str) -> dict[str, Any]:
    """A group's line, with a halo to be seen on ground of its own colour, too."""
    from matplotlib.patheffects import withStroke

    style, width = style_of(group), 0.9 if group in HEAD else 1.8
    halo = "#222222" if style.ink else "white"
    effects = [withStroke(linewidth=width + 1, foreground=halo, alpha=0.7)]
    return {"color": style.colour, "linewidth": width, "path_effects": effects}


def _broken(label: str) -> str:
    return label.replace(" + ", "\n+ ")


def _legend(figure: Drawing, groups: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=group, **_look(group)) for group in groups]
    handles.append(Line2D([], [], color="#444444", lw=1.2, ls=(0, (2, 1.2)), label="wrong"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
