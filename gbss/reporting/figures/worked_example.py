"""Figure 7: the gradient matrix and the class weights of a small example, computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gbss.reporting.figure import Figure
from gbss.reporting.numbers import table
from gbss.reporting.plotting import PAGE, letter
from gbss.reporting.study import Study
from gbss.reporting.style import GUIDE, OBJECT, style_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

CLASSES = ("car", "dog", "fox", "background")
GROUPS = ("majority", "majority", "minority", "")
SAMPLES = np.array([160.0, 120.0, 10.0, 210.0])
"""Samples of each class in a batch."""

PREDICTED = np.array(
    [
        [0.85, 0.04, 0.02, 0.09],
        [0.04, 0.80, 0.05, 0.11],
        [0.05, 0.35, 0.40, 0.20],
        [0.03, 0.03, 0.01, 0.93],
    ]
)
"""Row k: what the classifier thinks of the samples of class k, all of them alike."""


PERCENT = "(in hundredths)"


def gradient_matrix() -> NDArray[np.float64]:
    """(C, C) entry [i, k]: gradient on logit i by samples of class k: N_k (p_ki - [i = k]) / N."""
    matrix: NDArray[np.float64] = (PREDICTED - np.eye(len(CLASSES))).T * SAMPLES / SAMPLES.sum()
    return matrix


def solve(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C,) weights with w_i G_ii = -Σ_{k≠i} w_k G_ik for every i, and the sum C.

    Any one equation follows from the others; the sum takes the place of the last.
    """
    system, target = matrix.copy(), np.zeros(len(matrix))
    system[-1], target[-1] = 1, len(matrix)
    weights: NDArray[np.float64] = np.linalg.solve(system, target).astype(np.float64)
    return weights


def forces(
    matrix: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C,) w_i |G_ii| and (C,) Σ_{k≠i} w_k G_ik."""
    positive = weights * np.abs(matrix.diagonal())
    return positive, matrix @ weights + positive


def numbers(study: Study) -> pd.DataFrame:
    """N, p and the matrix, and for w = 1 and the solution: the weights and what pulls at logits."""
    matrix = gradient_matrix()
    lines: list[dict[str, Any]] = [
        {"what": "number", "logit": "", "samples": of, "value": count}
        for of, count in zip(CLASSES, SAMPLES, strict=True)
    ]
    lines += [
        {"what": what, "logit": on, "samples": of, "value": values[i, k]}
        for what, values in (("probability", PREDICTED.T), ("matrix", matrix))
        for i, on in enumerate(CLASSES)
        for k, of in enumerate(CLASSES)
    ]
    for state, weights in (("before", np.ones(len(CLASSES))), ("after", solve(matrix))):
        positive, negative = forces(matrix, weights)
        for what, values in (("weight", weights), ("positive", positive), ("negative", negative)):
            lines += [
                {"what": f"{what} {state}", "logit": name, "samples": "", "value": value}
                for name, value in zip(CLASSES, values, strict=True)
            ]
    return table(lines)


def draw(numbers: pd.DataFrame, study: Study) -> Drawing:
    """The matrix with its numbers; the two forces on each logit before and after; the weights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.7), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1.15, 1.1, 1.1))
    matrix = numbers[numbers["what"] == "matrix"].pivot_table(
        index="logit", columns="samples", values="value"
    )
    counts = numbers[numbers["what"] == "number"]["value"]
    _matrix(axes[0], 100 * matrix.loc[[*CLASSES], [*CLASSES]].to_numpy(), counts.to_numpy())
    top = 0.0
    for place, state in ((1, "before"), (2, "after")):
        values = {
            what: 100 * numbers[numbers["what"] == f"{what} {state}"]["value"].to_numpy()
            for what in ("positive", "negative", "weight")
        }
        _forces(axes[place], values)
        top = max(top, *values["positive"], *values["negative"])
    letter(axes[0], 0, f"matrix G {PERCENT}")
    letter(axes[1], 1, "w = 1")
    letter(axes[2], 2, "w solves the equations")
    for its in axes[1:]:
        its.set_ylim(0, 1.2 * top)
    axes[1].set_ylabel(f"gradient on the logit {PERCENT}")
    handles, labels = axes[1].get_legend_handles_labels()
    axes[1].legend(handles, labels, loc="upper left")
    return figure


def _matrix(axes: Axes, values: NDArray[np.float64], counts: NDArray[Any]) -> None:
    """Numbers on a ground that is darker for stronger gradients, blue where they push down."""
    limit = np.abs(values).max()
    axes.imshow(values, cmap="RdBu", vmin=-2 * limit, vmax=2 * limit)
    for (i, k), value in np.ndenumerate(values):
        text = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
        axes.text(k, i, text, ha="center", va="center", fontsize=7)
    ticks = [f"{name}\n{count:.0f}" for name, count in zip(CLASSES, counts, strict=True)]
    short = [tick.replace("background", "backgr.") for tick in ticks]
    axes.set_xticks(range(len(CLASSES)), short)
    axes.set_yticks(range(len(CLASSES)), [tick.split("\n")[0] for tick in short])
    axes.set_xlabel("samples of class k, and their number")
    axes.set_ylabel("logit i")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _forces(axes: Axes, values: Mapping[str, NDArray[Any]]) -> None:
    places = np.arange(len(CLASSES))
    colours = [style_of(group).colour if group else OBJECT for group in GROUPS]
    axes.bar(places - 0.2, values["positive"], 0.37, color=colours, label="positive, w |G|")
    axes.bar(
        places + 0.2,
        values["negative"],
        0.37,
        facecolor="white",
        edgecolor=colours,
        hatch="////",
        label="negative",
    )
    for x, weight, height in zip(
        places.tolist(),
        values["weight"],
        np.maximum(values["positive"], values["negative"]),
        strict=True,
    ):
        axes.text(x, height, f"w {weight / 100:.2f}", ha="center", va="bottom", fontsize=7)
    axes.set_xticks(places, [name.replace("background", "backgr.") for name in CLASSES])
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=GUIDE, linewidth=0.4)
    axes.set_axisbelow(True)


FIGURE = Figure(
    title="A worked example of the gradient matrix and the weights",
    task="coco-split1",
    needs=(),
    numbers=numbers,
    draw=draw,
    paper=7,
)
