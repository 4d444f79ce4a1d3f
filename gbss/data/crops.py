"""Single-object crops, to pre-train a small backbone as a classifier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gbss.data.drawing import Drawing
from gbss.data.stamps import background, noise, single

CROP = 32
"""Width and height of a crop in pixels."""
_STREAM = 2
"""Keeps the crops' random numbers apart from those of train (0) and val (1)."""


def crops(drawing: Drawing, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draws crops of single objects and of bare background, all classes equally often.

    Args:
        drawing: Vocabulary and object sizes.
        count: Number of crops N.
        seed: Another seed gives other crops of the same drawing.

    Returns:
        Images (N, 32, 32, 3) and labels (N,): the position of the class in ``drawing.classes``, or
        ``len(drawing.classes)`` for background.
    """
    order = np.random.default_rng(np.random.SeedSequence([drawing.seed, _STREAM, seed]))
    labels = order.permutation(np.arange(count, dtype=np.int64) % (len(drawing.classes) + 1))
    images = np.empty((count, CROP, CROP, 3), dtype=np.uint8)
    for index, label in enumerate(labels.tolist()):
        sequence = np.random.SeedSequence([drawing.seed, _STREAM, seed, index])
        images[index] = _crop(drawing, label, np.random.default_rng(sequence))
    return images, labels


def _crop(drawing: Drawing, label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One crop (32, 32, 3): the object at its own size if it fits, scaled down otherwise."""
    sides = drawing.small if rng.random() < drawing.small_share else drawing.large
    if label == len(drawing.classes):
        side = int(rng.integers(CROP, max(CROP, sides[1]) + 1))
        canvas, _ = background(rng, side, drawing.style)
    else:
        # The colour behind an object must be known before the size of the canvas is.
        widest = max(CROP, 3 * drawing.large[1] // 2)
        wide_canvas, colour = background(rng, widest, drawing.style)
        stamp = single(rng, drawing.classes[label], sides, colour, drawing.style)
        tall, wide = stamp.mask.shape
        side = max(CROP, max(tall, wide) * int(rng.integers(105, 136)) // 100)
        canvas = wide_canvas[:side, :side]
        y, x = int(rng.integers(side - tall + 1)), int(rng.integers(side - wide + 1))
        canvas[y : y + tall, x : x + wide][stamp.mask] = stamp.pixels[stamp.mask]
    image = Image.fromarray(noise(rng, canvas))
    return np.asarray(image.resize((CROP, CROP), Image.Resampling.BILINEAR))
