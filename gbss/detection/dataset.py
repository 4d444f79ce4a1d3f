"""The training data of a semi-supervised run, and image loading with errors that help."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import ConcatDataset

from gbss.detection.sampler import Draw
from gbss.errors import fail


class MixedDataset(ConcatDataset):
    """A labeled and an unlabeled dataset, one after the other, whose loading can be repeated.

    The sampler sends a seed along with every index. Python's and NumPy's global random states,
    which the transforms of mmdet and mmcv draw from, are set to it before an image is loaded:
    augmentation is then the same however many processes load and wherever a run was resumed.
    """

    def __getitem__(self, draw: Draw) -> Any:
        """Loads and augments one image.

        Args:
            draw: Index and loading seed, from `gbss.detection.sampler.MixedSampler`.
        """
        index, seed = draw
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  (what the transforms draw from)
        return super().__getitem__(index)


class LoadImage(LoadImageFromFile):
    """mmcv's image loading with an error that names the file and the image id."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Loads ``results['img_path']``.

        Raises:
            GbssError: The file is missing, empty or no image.
        """
        try:
            return super().transform(results)
        except (OSError, AssertionError, cv2.error) as error:
            raise fail(
                f"{results['img_path']} (image id {results['img_id']})",
                found=str(error).strip(),
                expected="an image that OpenCV can read",
                fix="fetch the file again, or correct the data root of the scale",
            ) from error
