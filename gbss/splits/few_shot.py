"""Few-shot images by stated numbers of images per class, out of millions of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gbss.splits.annotations import Annotations, Ints


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
    pairs = np.unique(annotations.box_images[boxes] * size + annotations.box_classes[boxes])
    images, classes = np.divmod(pairs, size)
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
