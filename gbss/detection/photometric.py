"""The strong view of Unbiased Teacher: colours, blur and holes, on the geometry of the weak one."""

from __future__ import annotations

import math
import random
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

Image = np.ndarray

ERASERS = (
    (0.7, (0.05, 0.2), (0.3, 3.3)),
    (0.5, (0.02, 0.2), (0.1, 6.0)),
    (0.3, (0.02, 0.2), (0.05, 8.0)),
)
"""Probability, range of the share of the image, range of height over width, one after the other."""


class StrongPhotometric(BaseTransform):
    """Unbiased Teacher's strong augmentation of an image (H, W, 3), BGR, uint8; boxes stay.

    Brightness, contrast, saturation (factors 0.6 to 1.4) and hue (±0.1 of the circle) in random
    order with probability 0.8, grey with 0.2, Gaussian blur (σ 0.1 to 2 pixels) with 0.5, then
    three rectangles of noise, see `ERASERS`. Draws from Python's and NumPy's global states, which
    `gbss.detection.dataset.MixedDataset` sets. Source: facebookresearch/unbiased-teacher,
    ubteacher/data/detection_utils.py.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Changes ``results['img']``."""
        image = results["img"]
        if random.random() < 0.8:
            image = jitter(image)
        if random.random() < 0.2:
            image = np.repeat(grey(image)[..., None], 3, axis=2)
        if random.random() < 0.5:
            image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.1, 2.0))
        image = image.copy()
        for probability, share, ratio in ERASERS:
            if random.random() < probability:
                erase(image, share, ratio)
        results["img"] = image
        return results


def grey(image: Image) -> Image:
    """(H, W) luminance."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def jitter(image: Image) -> Image:
    """Brightness, contrast, saturation and hue in random order."""
    for operation in random.sample(("brightness", "contrast", "saturation", "hue"), 4):
        if operation == "hue":
            shift = round(random.uniform(-0.1, 0.1) * 256)
            turned = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)
            turned[..., 0] += np.uint8(shift % 256)  # wraps round, as hues do
            image = cv2.cvtColor(turned, cv2.COLOR_HSV2BGR_FULL)
            continue
        base: Any = 0.0
        if operation != "brightness":
            base = grey(image)[..., None] if operation == "saturation" else grey(image).mean()
        factor = random.uniform(0.6, 1.4)
        mixed = factor * image.astype(np.float32) + (1 - factor) * base
        image = np.rint(mixed).clip(0, 255).astype(np.uint8)
    return image


def erase(image: Image, share: tuple[float, float], ratio: tuple[float, float]) -> None:
    """Fills a rectangle with noise; none, if ten drawn ones do not fit."""
    height, width = image.shape[:2]
    for _ in range(10):
        area = random.uniform(*share) * height * width
        aspect = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < rows < height and 0 < columns < width:
            top, left = random.randint(0, height - rows), random.randint(0, width - columns)
            noise = np.random.randint(0, 256, (rows, columns, 3), dtype=np.uint8)  # noqa: NPY002
            image[top : top + rows, left : left + columns] = noise
            return
