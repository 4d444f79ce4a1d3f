"""Draws a split: which train images are labeled, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults, fail, nearest
from gbss.splits.annotations import Annotations, Ints
from gbss.splits.few_shot import few_shot_beside
from gbss.splits.recipe import Recipe
from gbss.splits.targets import draw_to_targets


@dataclass(frozen=True)
class Split:
    """A division of the train images, as ascending image ids.

    Attributes:
        recipe: The rule it follows.
        base: Labeled images that keep only their majority annotations.
        few_shot: Labeled images that keep all annotations.
        unlabeled: All other images.
    """

    recipe: Recipe
    base: Ints
    few_shot: Ints
    unlabeled: Ints


def build_split(annotations: Annotations, recipe: Recipe) -> Split:
    """Draws the split that a recipe describes.

    First the few-shot images, then the base images among the other images with a majority box.
    Either to stated counts (`gbss.splits.targets`), or by share and shots: then their number is the
    recipe's share of all images with a majority box (the size of the authors' split fits this
    reading of "10 %", and not a tenth of all images). Crowds never count as boxes.

    Raises:
        GbssError: Every minority class that is unknown or has too few boxes; every stated count
            that cannot be reached.
    """
    minority = minority_mask(annotations, recipe)
    rng = np.random.Generator(np.random.PCG64(recipe.seed))
    if recipe.stated and annotations.mapped is not None:
        base = base_candidates(annotations, minority)
        few_shot = few_shot_beside(annotations, minority, recipe, base, rng)
    elif recipe.stated:
        base, few_shot = draw_to_targets(annotations, minority, recipe, rng)
    else:
        few_shot = _few_shot(annotations, minority, recipe, rng)
        candidates = base_candidates(annotations, minority)
        free = np.setdiff1d(candidates, few_shot)
        if (size := base_size(candidates, recipe)) > len(free):
            raise fail(
                str(annotations.path),
                found=f"{len(free)} images to draw from",
                expected=f"at least {size}, the number of labeled images",
                fix="give the whole annotation file, or scale the recipe (--factor)",
            )
        base = rng.permutation(free)[:size]
    labeled = np.union1d(base, few_shot)
    ids = annotations.image_ids
    unlabeled = np.setdiff1d(np.arange(len(ids)), labeled)
    return Split(recipe, ids[np.sort(base)], ids[np.sort(few_shot)], ids[unlabeled])


def minority_mask(annotations: Annotations, recipe: Recipe) -> NDArray[np.bool_]:
    """Which of the K classes are minority, (K,).

    Raises:
        GbssError: Every minority class that the file lacks or, for a draw by shots, of which it has
            too few boxes.
    """
    by_shots = not (recipe.stated or recipe.given)
    single = annotations.box_classes[annotations.counted]
    boxes = np.bincount(single, minlength=len(annotations.names))
    with Faults() as faults:
        for name in recipe.minority:
            where = f"{annotations.path}: minority class {name!r}"
            if name not in annotations.names:
                expected = nearest(name, annotations.names)
                faults.add(where, found="no such class", expected=expected, fix="correct the task")
            elif by_shots and boxes[annotations.names.index(name)] < recipe.shots:
                found = f"{boxes[annotations.names.index(name)]} boxes"
                expected = f"at least {recipe.shots} boxes that are no crowds"
                fix = "lower the recipe's shots or give more data"
                faults.add(where, found=found, expected=expected, fix=fix)
    return np.isin(annotations.names, recipe.minority)


def base_candidates(annotations: Annotations, minority: NDArray[np.bool_]) -> Ints:
    """Positions of the images with a majority box, ascending.

    Beside a second data set, all of whose images are labeled, only those of that one.
    """
    majority = annotations.counted & ~minority[annotations.box_classes]
    if annotations.mapped is not None:
        majority &= annotations.mapped[annotations.box_images]
    return np.unique(annotations.box_images[majority])


def base_size(candidates: Ints, recipe: Recipe) -> int:
    """How many base images the recipe asks for."""
    if recipe.labeled is not None:
        return recipe.labeled
    return round(recipe.share * len(candidates))


def _few_shot(
    annotations: Annotations,
    minority: NDArray[np.bool_],
    recipe: Recipe,
    rng: np.random.Generator,
) -> Ints:
    """Positions of images that together give every minority class its shots.

    The rarest class is served first, from images in random order; what other minority classes an
    image holds counts for them, too.

    Args:
        annotations: The train annotations.
        minority: Which classes are minority, (K,).
        recipe: Shots and cap.
        rng: Source of the order.
    """
    images, counts = _minority_counts(annotations, minority)
    order = rng.permutation(len(images))
    have = np.zeros(counts.shape[1], dtype=np.int64)
    chosen: list[int] = []
    for kind in np.argsort(counts.sum(axis=0), kind="stable"):
        holding = order[counts[order, kind] > 0]
        while have[kind] < recipe.shots:
            free = holding[~np.isin(holding, chosen)]
            first = 0
            if recipe.cap is not None:
                # The first of those that go least over the cap.
                first = int(np.argmin(np.maximum(have + counts[free] - recipe.cap, 0).sum(axis=1)))
            chosen.append(int(free[first]))
            have += counts[chosen[-1]]
    return images[np.array(chosen, dtype=np.int64)]


def _minority_counts(annotations: Annotations, minority: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """The positions of the I images with minority boxes, and their boxes per minority class.

    Returns:
        Positions (I,), ascending, and counts (I, number of minority classes).
    """
    chosen = annotations.counted & minority[annotations.box_classes]
    images, rows = np.unique(annotations.box_images[chosen], return_inverse=True)
    columns = (np.cumsum(minority) - 1)[annotations.box_classes[chosen]]
    counts = np.zeros((len(images), int(minority.sum())), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return images, counts
