"""Numbers that more than one figure shows, as tables with a line for each row, seed and thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gbss.evaluation.pseudo_labels import quality
from gbss.experiments import Row
from gbss.grid.logs import Arrays
from gbss.reporting.study import Study

if TYPE_CHECKING:
    import pandas as pd


MOST_OBJECTS = "those with the most objects"
"""Which classes `shown_classes` keeps."""


def table(lines: Sequence[Mapping[str, Any]], columns: list[str] | None = None) -> pd.DataFrame:
    """Lines with the same keys as a table.

    Args:
        lines: Column → value.
        columns: The keys, where there may be no line.
    """
    import pandas as pd

    return pd.DataFrame(lines, columns=columns)


def quality_by_class(study: Study) -> pd.DataFrame:
    """Pseudo labels against the hidden annotations, by row, seed and class."""
    lines = []
    for row, seed, labels in study.pseudo_labels():
        counted = quality(labels.found(study.hidden), study.hidden, labels.looked_at(study.hidden))
        for place, name in enumerate(study.task.classes):
            lines.append(
                {
                    "row": row.id,
                    "seed": seed,
                    "class": name,
                    "group": study.group_of[name],
                    "threshold": labels.thresholds[place],
                    "right": counted.right[place],
                    "wrong": counted.wrong[place],
                    "objects": counted.objects[place],
                    "precision": counted.precision[place],
                    "recall": counted.recall[place],
                    "images": len(labels.sample),
                    "of": labels.of,
                }
            )
    return table(lines)


def looked_at(numbers: pd.DataFrame) -> str:
    """How many of the unlabeled images the numbers of `quality_by_class` are of, in words."""
    first = numbers.iloc[0]
    return f"{first['images']:,} of {first['of']:,} unlabeled images"


def members(study: Study) -> dict[str, NDArray[np.int64]]:
    """Group → positions of its classes among those of the task."""
    place = {name: number for number, name in enumerate(study.task.classes)}
    return {
        group: np.array([place[name] for name in names])
        for group, names in study.task.groups.items()
    }


UNDER_W = "gradients weighted by w (equation 5), not by the factors of the loss"
"""Stands above what shows `gradients`. The factors w^β / m and w / m cannot take w's place: the log
has the sum of the negative gradients under w, not the share of each class in it."""


def gradients(study: Study, row: Row, log: Arrays) -> tuple[NDArray[Any], NDArray[Any]]:
    """Positive and negative gradient on each logit over training, both under the class weights.

    Both branches together, the pseudo labels' with the weight of their loss. A row without GbR
    has no weights in its loss.

    Args:
        study: Gives the scale.
        row: Whose log it is.
        log: Its training log.

    Returns:
        Two (T, C) arrays: w_i |G_ii| and Σ_{k≠i} w_k G_ik.
    """
    share = study.scale.of(row.task).batch.unlabeled_weight
    positive, negative = (
        log[name][:, 0].astype(np.float64) + share * log[name][:, 1]
        for name in ("positive", "negative")
    )
    if row.reweighting != "none":
        # The log has the negative ones under w, the positive ones without.
        positive = positive * log["weights"]
    return positive, negative


def by_group_over_training(
    study: Study, row: Row, seed: int, iteration: NDArray[Any], values: NDArray[Any]
) -> list[dict[str, Any]]:
    """Mean, lowest and highest over the classes of each group, snapshot by snapshot.

    Args:
        study: Gives the groups.
        row: Of the run.
        seed: Of the run.
        iteration: (T,).
        values: (T, n); NaN where a class has none.
    """
    lines = []
    for group, places in members(study).items():
        its = values[:, places]
        there = ~np.isnan(its)
        count = there.sum(axis=1)
        total = np.where(there, its, 0).sum(axis=1)
        mean = np.divide(total, count, out=np.full(len(its), np.nan), where=count > 0)
        low = np.where(there, its, np.inf).min(axis=1)
        high = np.where(there, its, -np.inf).max(axis=1)
        lines += [
            {
                "row": row.id,
                "seed": seed,
                "iteration": int(iteration[number]),
                "group": group,
                "mean": mean[number],
                "lowest": low[number],
                "highest": high[number],
            }
            for number in np.flatnonzero(count)
        ]
    return lines


def shown_classes(numbers: pd.DataFrame, study: Study, most: int = 100) -> list[str]:
    """The classes of the numbers in the order of their groups.

    Args:
        numbers: With ``class`` and ``objects``.
        study: Gives the groups.
        most: Classes that fit on an axis; of more, those of each group with the most objects.
    """
    objects = numbers.groupby("class")["objects"].max().to_dict()
    groups = [[name for name in names if name in objects] for names in study.task.groups.values()]
    if sum(map(len, groups)) > most:
        each = most // len(groups)
        kept = {
            name for names in groups for name in sorted(names, key=lambda n: -objects[n])[:each]
        }
        groups = [[name for name in names if name in kept] for names in groups]
    return [name for names in groups for name in names]


def shown_in_words(classes: Sequence[str], study: Study, why: str) -> str:
    """How many classes of each group are shown, in words; empty if all are.

    Args:
        classes: What is shown.
        study: Gives the groups.
        why: Which ones they are.
    """
    if len(classes) == len(study.task.classes):
        return ""
    counts = [
        f"{sum(study.group_of[name] == group for name in classes)} of {len(names)} {group}"
        for group, names in study.task.groups.items()
    ]
    return f"shown: {', '.join(counts)} classes, {why}"
