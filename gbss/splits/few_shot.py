"""Few-shot images to stated counts beside a labeled data set, out of millions of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults, fail
from gbss.splits.annotations import Annotations, Ints
from gbss.splits.exchange import Choice, approach
from gbss.splits.recipe import Recipe
from gbss.splits.targets import (
    ATTEMPTS,
    IMPORTANT,
    box_counts,
    check_counts,
    check_supply,
    relative_weights,
    stated_counts,
)

CANDIDATES = 1 << 15
"""How many further images, drawn at random, the first choice may be exchanged for."""


def few_shot_beside(
    annotations: Annotations,
    minority: NDArray[np.bool_],
    recipe: Recipe,
    base: Ints,
    rng: np.random.Generator,
) -> Ints:
    """Draws as many images as are left of the stated total, beside a data set that is labeled.

    First by the images of the minority classes; then images are exchanged until the minority
    classes lie in as many of them as stated, and the majority classes as near to it as they get.

    Args:
        annotations: The train annotations of both data sets.
        minority: Which classes are minority, (K,).
        recipe: Total and targets.
        base: Positions of the labeled images of the other data set.
        rng: Source of the order.

    Returns:
        Positions of the images, ascending.

    Raises:
        GbssError: There are too few images; or, unless the recipe is scaled, a count was missed.
    """
    assert annotations.mapped is not None
    pairs = _images_and_classes(annotations, annotations.counted)
    check_supply(annotations, np.bincount(pairs[1], minlength=len(minority)), recipe)
    holding = np.unique(pairs[0][~annotations.mapped[pairs[0]]])
    size = (recipe.labeled or 0) - len(base)
    if not 0 < size <= len(holding):
        whole = (recipe.labeled or 0) / recipe.factor
        least = np.ceil((len(base) + 1) / whole * 10_000) / 10_000
        most = np.floor(min(1.0, (len(base) + len(holding)) / whole) * 10_000) / 10_000
        raise fail(
            str(annotations.path),
            found=f"{len(base)} images of the labeled data set, and {len(holding)} to draw from",
            expected=f"{recipe.labeled} labeled images in all",
            fix="give the whole annotation files; to try things on these, scale the recipe "
            f"(--factor, from {least:g} to {most:g})",
        )
    images, _ = stated_counts(annotations, recipe)
    known = images >= 0
    labeled = np.bincount(pairs[1][np.isin(pairs[0], base)], minlength=len(minority))
    missing = np.maximum(images - labeled, 0)
    # Rare classes first: what is one off in a frequent class is soon exchanged.
    few = IMPORTANT // np.maximum(missing, 1)
    weights = np.where(minority, few, relative_weights(missing))[known]
    best, least = holding[:0], -1
    for _ in range(ATTEMPTS):
        first = few_shot_by_images(annotations, minority, missing, rng)
        further = rng.permutation(np.setdiff1d(holding, first))[:CANDIDATES]
        rows = np.concatenate([rng.permutation(first), further])
        present = (box_counts(annotations, rows)[:, known] > 0).astype(np.int64)
        choice = Choice.of(present, weights, missing[known], np.arange(len(rows)) < size)
        # All of them: those without a minority class would use up the usual number of tries.
        approach(choice, fixed=True, tries=size)
        if least < 0 or choice.cost() < least:
            best, least = np.sort(rows[choice.chosen]), choice.cost()
        if not choice.missing[minority[known]].any():
            break
    if recipe.factor == 1:
        parts = annotations.image_ids[base], annotations.image_ids[best]
        with Faults() as faults:
            check_counts(annotations, recipe, parts, str(annotations.path), faults)
    return best


def _images_and_classes(annotations: Annotations, boxes: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Which image holds which class by the given boxes: positions of both, by image, then class."""
    size = len(annotations.names)
    pairs = np.unique(annotations.box_images[boxes] * size + annotations.box_classes[boxes])
    images, classes = np.divmod(pairs, size)
    return images, classes


def few_shot_by_images(
    annotations: Annotations,
    minority: NDArray[np.bool_],
    wanted: Ints,
    rng: np.random.Generator,
) -> Ints:
    """Draws images in which every minority class lies as often as wanted, or nearly so.

    The class that is wanted most for what there is of it comes first. It takes images in random
    order in which no minority class has had enough; if there are too few of these, those in which
    the fewest have.

    Args:
        annotations: The train annotations.
        minority: Which classes are minority, (K,).
        wanted: Images wanted per class, (K,).
        rng: Source of the order.

    Returns:
        Positions of the images, ascending.
    """
    boxes = minority[annotations.box_classes] & annotations.counted
    size = len(minority)
    images, classes = _images_and_classes(annotations, boxes)
    starts = np.searchsorted(images, np.arange(len(annotations.image_ids) + 1))
    supply = np.bincount(classes, minlength=size)
    by_class = np.split(images[np.argsort(classes, kind="stable")], np.cumsum(supply)[:-1])
    left = np.where(minority, wanted, 0)
    chosen = np.zeros(len(annotations.image_ids), dtype=np.bool_)

    def full(image: int) -> int:
        """How many of an image's classes have had enough."""
        return int((left[classes[starts[image] : starts[image + 1]]] <= 0).sum())

    def take(image: int) -> None:
        chosen[image] = True
        left[classes[starts[image] : starts[image + 1]]] -= 1

    for kind in np.argsort(-left / np.maximum(supply, 1), kind="stable"):
        order = rng.permutation(by_class[kind])
        for image in order.tolist():
            if left[kind] <= 0:
                break
            if not chosen[image] and not full(image):
                take(image)
        if left[kind] > 0:
            rest = order[~chosen[order]]
            worst = np.array([full(image) for image in rest.tolist()], dtype=np.int64)
            for image in rest[np.argsort(worst, kind="stable")[: left[kind]]].tolist():
                take(image)
    return np.flatnonzero(chosen)
