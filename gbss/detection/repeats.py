"""From datasets and the pool of pseudo labels to how often each image is repeated."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from gbss.imbalance.resampling import (
    PseudoLabelPool,
    class_frequencies,
    class_repeat_factors,
    copies,
    crs_repeat_factors,
    rfs_repeat_factors,
    sampling_threshold,
)
from gbss.imbalance.variant import Variant

Strategy = Literal["rfs", "crs"]
"""Repeats by the classes' frequency alone, or by that and by how sure the pseudo labels are."""


def labeled_boxes(dataset: Any) -> tuple[Tensor, Tensor]:
    """(M,) image index and (M,) class of every box that is trained on.

    Args:
        dataset: An mmdet dataset.
    """
    pairs = [
        (index, instance["bbox_label"])
        for index in range(len(dataset))
        for instance in dataset.get_data_info(index)["instances"]
        if not instance["ignore_flag"]
    ]
    found = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def labeled_copies(dataset: Any, threshold: float) -> Tensor:
    """(images,) repeats of the labeled images by repeat-factor sampling."""
    images, labels = labeled_boxes(dataset)
    classes = len(dataset.metainfo["classes"])
    return copies(rfs_repeat_factors(images, labels, len(dataset), classes, threshold))


class UnlabeledRepeats:
    """Repeats of the unlabeled images by their pseudo labels.

    Args:
        labeled: The labeled dataset, whose images count in the frequencies of CrS.
        strategy: See `Strategy`.
        threshold: t of RFS; for CrS the cap of the rising threshold λ.
        total: T, iterations of the run.
        variant: See `gbss.imbalance.resampling`.
    """

    def __init__(
        self, labeled: Any, strategy: Strategy, threshold: float, total: int, variant: Variant
    ) -> None:
        classes = len(labeled.metainfo["classes"])
        images, labels = labeled_boxes(labeled)
        pairs = torch.unique(images * classes + labels)
        self.images_per_class = torch.bincount(pairs % classes, minlength=classes)
        self.labeled_images = len(labeled)
        self.strategy = strategy
        self.threshold = threshold
        self.total = total
        self.variant = variant

    def __call__(self, pool: PseudoLabelPool, iteration: int) -> tuple[Tensor, Tensor]:
        """Repeats by what the pool holds.

        Args:
            pool: Pseudo labels, merged.
            iteration: The iteration that λ is taken at.

        Returns:
            (unlabeled images,) int64 copies, and (n,) r_c of each class.
        """
        if self.strategy == "rfs":
            share = pool.images_per_class() / pool.image_count
            factors = rfs_repeat_factors(
                pool.images, pool.labels, pool.image_count, pool.class_count, self.threshold
            )
            return copies(factors), class_repeat_factors(share, self.threshold)
        frequencies = class_frequencies(
            self.images_per_class, self.labeled_images, pool, variant=self.variant
        )
        rising = sampling_threshold(iteration, self.total, self.threshold)
        by_class = class_repeat_factors(frequencies, rising)
        return copies(crs_repeat_factors(pool, by_class)), by_class
