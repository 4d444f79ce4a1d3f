"""Draws labeled images whose counts per class are those that the released code states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults, fail
from gbss.splits.annotations import Annotations, Ints
from gbss.splits.exchange import Choice, approach
from gbss.splits.recipe import Recipe

TOLERANCE = 5
"""How many percent the images of a majority class may be off; one image always may."""

UNIT = 2**32
"""Weight of a relative deviation of one; classes are compared by relative deviations."""

IMPORTANT = 2**10 * UNIT
"""Weight of an image of a minority class, before which all else comes second."""

DRAW_ANEW = (
    "draw with another seed, or from another file; a scaled recipe (--factor) may miss counts"
)

ATTEMPTS = 3
"""How many draws of the few-shot images are tried for their numbers of boxes."""


def draw_to_targets(
    annotations: Annotations,
    minority: NDArray[np.bool_],
    recipe: Recipe,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Draws the labeled images of a recipe with stated counts.

    The few-shot images come first: at random as long as they fit, then exchanged until every
    minority class lies in as many of them as stated, with as many boxes as can be had. Then the
    base images: at random, then exchanged until the majority classes are as near as they get. The
    total is always met.

    Args:
        annotations: The train annotations.
        minority: Which classes are minority, (K,).
        recipe: Total and targets.
        rng: Source of the order.

    Returns:
        Positions of the base images and of the few-shot images.

    Raises:
        GbssError: The file has too few images, with every class of which it has; or, unless the
            recipe is scaled, a count was missed.
    """
    counts = box_counts(annotations, np.arange(len(annotations.image_ids)))
    check_supply(annotations, (counts > 0).sum(axis=0), recipe)
    images, boxes = stated_counts(annotations, recipe)
    few_shot = _few_shot(counts[:, minority], images[minority], boxes[minority], rng)
    base = _base(annotations, counts, minority, recipe, few_shot, rng)
    if recipe.factor == 1:
        parts = annotations.image_ids[base], annotations.image_ids[few_shot]
        with Faults() as faults:
            check_counts(annotations, recipe, parts, str(annotations.path), faults)
    return base, few_shot


def _base(
    annotations: Annotations,
    counts: Ints,
    minority: NDArray[np.bool_],
    recipe: Recipe,
    few_shot: Ints,
    rng: np.random.Generator,
) -> Ints:
    """Positions of the base images; with the few-shot images given, they make up the total."""
    size = (recipe.labeled or 0) - len(few_shot)
    left = np.flatnonzero((counts[:, ~minority] > 0).any(axis=1))
    left = rng.permutation(np.setdiff1d(left, few_shot))
    if not 0 <= size <= len(left):
        raise fail(
            f"{annotations.path}",
            found=f"{len(few_shot)} few-shot images, and {len(left)} others with a majority box",
            expected=f"{recipe.labeled} labeled images in all",
            fix="give the whole annotation file, or scale the recipe "
            + ("by a larger factor" if size < 0 else "by a smaller factor"),
        )
    images, _ = stated_counts(annotations, recipe)
    known = ~minority & (images >= 0)
    rows = (counts[left][:, known] > 0).astype(np.int64)
    missing = images[known] - (counts[few_shot][:, known] > 0).sum(axis=0)
    weights = relative_weights(images[known])
    choice = Choice.of(rows, weights, missing, np.arange(len(left)) < size)
    approach(choice, fixed=True)
    return np.sort(left[choice.chosen])


def box_counts(annotations: Annotations, rows: Ints) -> Ints:
    """Boxes per class of the images at R positions, (R, K), without crowds."""
    counts = np.zeros((len(rows), len(annotations.names)), dtype=np.int64)
    places = np.full(len(annotations.image_ids), -1)
    places[rows] = np.arange(len(rows))
    boxes = np.flatnonzero((places[annotations.box_images] >= 0) & annotations.counted)
    where = places[annotations.box_images[boxes]], annotations.box_classes[boxes]
    np.add.at(counts, where, 1)
    return counts


def check_counts(
    annotations: Annotations, recipe: Recipe, parts: tuple[Ints, Ints], where: str, faults: Faults
) -> None:
    """Notes the total and every class that is not where the recipe wants it.

    Of a scaled recipe only the total counts.

    Args:
        annotations: The train annotations.
        recipe: Total and targets.
        parts: Ids of the base images and of the few-shot images.
        where: What holds them, for the messages.
        faults: Where to note.
    """
    if (total := sum(map(len, parts))) != recipe.labeled:
        expected = str(recipe.labeled)
        faults.add(where, found=f"{total} labeled images", expected=expected, fix=DRAW_ANEW)
    if recipe.factor < 1:
        return
    minority = np.isin(annotations.names, recipe.minority)
    base, few_shot = (
        (box_counts(annotations, np.searchsorted(annotations.image_ids, ids)) > 0).sum(axis=0)
        for ids in parts
    )
    reached = few_shot + base * ~minority
    for name, number, small in zip(annotations.names, reached.tolist(), minority, strict=True):
        if name not in recipe.targets:
            continue
        stated = recipe.targets[name].images
        tolerance = 0 if small else max(1, stated * TOLERANCE // 100)
        if abs(number - stated) > tolerance:
            expected = f"{stated}" + (f", give or take {tolerance}" if tolerance else "")
            found = f"{number} labeled images"
            faults.add(f"{where}: class {name!r}", found=found, expected=expected, fix=DRAW_ANEW)


def check_supply(annotations: Annotations, present: Ints, recipe: Recipe) -> None:
    """The file must hold the images that are asked for: all shortages in one message.

    Args:
        annotations: The train annotations.
        present: (K,) images per class.
        recipe: Total and targets.

    Raises:
        GbssError: With every class of which there are too few.
    """
    names = annotations.names
    size = len(annotations.image_ids)
    supply = {name: int(present[number]) for number, name in enumerate(names)}
    short = [
        f"{name} {supply[name]} of {target.images}"
        for name, target in recipe.targets.items()
        if recipe.factor == 1 and name in supply and supply[name] < target.images
    ]
    labeled = recipe.labeled or 0
    if size < labeled:
        short.insert(0, f"any class {size} of {labeled}")
    if not short:
        return
    shares = [size / labeled] + [
        supply[name] / target.images
        for name, target in recipe.targets.items()
        if name in supply and target.images
    ]
    factor = np.floor(min(shares) * recipe.factor * 1000) / 1000
    raise fail(
        str(annotations.path),
        found=f"too few images; there are, of those asked for: {', '.join(short)}",
        expected=f"{labeled} labeled images with the stated counts",
        fix="give the whole annotation file; to try things on this one, scale the recipe"
        + (f" (there are images enough up to --factor {factor:g})" if factor else " (--factor)"),
    )


def stated_counts(annotations: Annotations, recipe: Recipe) -> tuple[Ints, Ints]:
    """Images and boxes stated per class, (K,) each; -1 where nothing is."""
    targets = [recipe.targets.get(name) for name in annotations.names]
    images = [-1 if target is None else target.images for target in targets]
    boxes = [-1 if target is None or target.boxes is None else target.boxes for target in targets]
    return np.array(images, dtype=np.int64), np.array(boxes, dtype=np.int64)


def _few_shot(counts: Ints, images: Ints, boxes: Ints, rng: np.random.Generator) -> Ints:
    """Positions of the few-shot images: the best of a few draws, the first one that is perfect.

    Args:
        counts: (N, L) boxes per image and minority class.
        images: (L,) images wanted.
        boxes: (L,) boxes wanted; less important than the images.
        rng: Source of the order.
    """
    holding = np.flatnonzero(counts.any(axis=1))
    weights = np.concatenate([np.full(len(images), IMPORTANT), relative_weights(boxes)])
    targets = np.concatenate([images, boxes])
    best, least = holding[:0], -1
    for _ in range(ATTEMPTS):
        rows = rng.permutation(holding)
        present = (counts[rows] > 0).astype(np.int64)
        features = np.concatenate([present, counts[rows]], axis=1)
        choice = Choice.of(features, weights, targets, _fitting(present, images))
        approach(choice, fixed=False)
        if least < 0 or choice.cost() < least:
            best, least = np.sort(rows[choice.chosen]), choice.cost()
        if least == 0:
            break
    return best


def _fitting(present: Ints, images: Ints) -> NDArray[np.bool_]:
    """One row after the other, (N,), as long as no class gets more images than wanted."""
    chosen = np.zeros(len(present), dtype=np.bool_)
    left = images.copy()
    rows = np.arange(len(present))
    while len(rows := rows[(present[rows] <= left).all(axis=1)]):
        chosen[rows[0]] = True
        left -= present[rows[0]]
        rows = rows[1:]
    return chosen


def relative_weights(targets: Ints) -> Ints:
    """Weights that make a relative deviation count the same in every class."""
    weights: Ints = np.maximum(UNIT // np.maximum(targets, 1) ** 2, 1)
    return weights
