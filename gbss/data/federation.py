"""Annotation as in LVIS: which boxes of a scene are kept, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gbss.data.drawing import Drawing

_STREAM = 3
"""Keeps these random numbers apart from those that the scene is drawn with."""


def federate(
    drawing: Drawing, entry: dict[str, Any], boxes: list[dict[str, Any]], key: Sequence[int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Takes from the full annotation of a scene what nobody looked for.

    A class in the scene is annotated, in full or in part, or nobody knows of it; a class that is
    not there is known to be missing, or nobody knows.

    Args:
        drawing: Classes, and how much is annotated.
        entry: The scene's COCO image entry.
        boxes: Its annotations.
        key: What the scene's random numbers were made of.

    Returns:
        The entry with ``neg_category_ids`` and ``not_exhaustive_category_ids``, and the boxes kept.
    """
    assert drawing.federation is not None
    rng = np.random.default_rng(np.random.SeedSequence([*key, _STREAM]))
    kept, negatives, partly = [], [], []
    # As many numbers for each class, so that one does not depend on another.
    for kind, (first, second) in zip(
        drawing.classes, rng.random((len(drawing.classes), 2)), strict=True
    ):
        own = [box for box in boxes if box["category_id"] == kind.category_id]
        if not own:
            if first < drawing.federation.lacking:
                negatives.append(kind.category_id)
        elif first < drawing.federation.annotated:
            if second < drawing.federation.partly:
                partly.append(kind.category_id)
                own = own[: -(-len(own) // 2)]
            kept += own
    lists = {"neg_category_ids": negatives, "not_exhaustive_category_ids": partly}
    return entry | lists, sorted(kept, key=lambda box: int(box["id"]))
