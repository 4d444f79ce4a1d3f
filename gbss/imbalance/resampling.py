"""Pseudo labels of the unlabeled images → how often each image is repeated (CrS and RFS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gbss.imbalance.processes import gather_rows
from gbss.imbalance.variant import Variant, check_range, check_variant

# Columns of a pending row. A visit that found no pseudo label has one row with label -1.
ITERATION, PART, SLOT, IMAGE, LABEL, MARGIN = range(6)

RELEASE_FREQUENCY_GUARD = 0.01
"""Added by the released code to the number of images that class frequencies are taken over."""


class PseudoLabelPool(nn.Module):
    """The pseudo labels that each unlabeled image had when it was last visited.

    Kept per image and class, with the largest margin d = score - θ_c, in three arrays of one row
    per pair sorted by image and class: 10 bytes a row, so a million images with five classes each
    take 50 MB. `add` notes visits, `exchange` brings those of all processes together, `merge`
    lets them replace what was known of their images. All buffers; what was added since the last
    `exchange` is not in the checkpoint, so call that before saving.

    Args:
        images: Number of unlabeled images.
        classes: n, without the background.
    """

    images: Tensor
    labels: Tensor
    margins: Tensor
    pending: Tensor

    def __init__(self, images: int, classes: int) -> None:
        super().__init__()
        check_range("PseudoLabelPool: images", images, 1, fix="give the unlabeled set images")
        check_range("PseudoLabelPool: classes", classes, 1, fix="use the number of classes")
        self.image_count = images
        self.class_count = classes
        self.register_buffer("images", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("labels", torch.zeros(0, dtype=torch.int16))
        self.register_buffer("margins", torch.zeros(0))
        self.register_buffer("pending", torch.zeros(0, 6, dtype=torch.float64))
        self._added: list[Tensor] = []

    @torch.no_grad()
    def add(
        self,
        iteration: int,
        images: Tensor,
        slots: Tensor,
        labels: Tensor,
        scores: Tensor,
        thresholds: Tensor,
        part: int = 0,
    ) -> None:
        """Notes the teacher's detections on a batch of unlabeled images.

        Args:
            iteration: Number of the current iteration: a later visit replaces an earlier one.
            images: (B,) int64 indices into the unlabeled set, also of images without detections.
            slots: (M,) int64, position in ``images`` of each detection's image.
            labels: (M,) int64 in 0..n-1.
            scores: (M,).
            thresholds: (n,) θ; detections with score ≥ θ_c are pseudo labels.
            part: Number of this batch within the iteration, counted over all processes.
        """
        margins = (scores - thresholds[labels]).double()
        kept = margins >= 0
        slots, labels, margins = slots[kept], labels[kept], margins[kept]
        found = torch.zeros_like(images).index_fill_(0, slots, 1) > 0
        without = (~found).nonzero()[:, 0]
        slots = torch.cat([slots, without])
        rows = margins.new_empty(len(slots), 6)
        rows[:, ITERATION], rows[:, PART], rows[:, SLOT] = iteration, part, slots.double()
        rows[:, IMAGE] = images[slots].double()
        rows[:, LABEL] = torch.cat([labels, torch.full_like(without, -1)]).double()
        rows[:, MARGIN] = torch.cat([margins, torch.zeros_like(without).double()])
        self._added.append(rows)

    def exchange(self) -> None:
        """Makes what every process added known to all; call it on all processes at once."""
        rows = gather_rows(torch.cat([self.pending[:0], *self._added]))
        self.pending = torch.cat([self.pending, rows])
        self._added.clear()

    def merge(self) -> None:
        """Replaces the entries of all images visited since the last merge by the last visit's."""
        if not len(self.pending):
            return
        visit = torch.unique(self.pending[:, :IMAGE], dim=0, return_inverse=True)[1]
        image = self.pending[:, IMAGE].long()
        last = torch.full((self.image_count,), -1, device=image.device)
        last.scatter_reduce_(0, image, visit, "amax")
        current = (visit == last[image]) & (self.pending[:, LABEL] >= 0)
        rows = self.pending[current]
        untouched = last[self.images.long()] < 0
        key = torch.cat(
            [
                self.images[untouched].long() * self.class_count + self.labels[untouched],
                rows[:, IMAGE].long() * self.class_count + rows[:, LABEL].long(),
            ]
        )
        margins = torch.cat([self.margins[untouched], rows[:, MARGIN].float()])
        pairs, pair = torch.unique(key, return_inverse=True)
        self.images = (pairs // self.class_count).int()
        self.labels = (pairs % self.class_count).short()
        best = margins.new_zeros(len(pairs))
        self.margins = best.scatter_reduce(0, pair, margins, "amax")
        self.pending = self.pending[:0]

    def images_per_class(self) -> Tensor:
        """(n,) number of images with a pseudo label of each class."""
        return torch.bincount(self.labels.long(), minlength=self.class_count)

    def images_with_labels(self) -> int:
        """Number of images with at least one pseudo label."""
        return len(torch.unique_consecutive(self.images))

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # The arrays grow and shrink; take the saved lengths before the values are copied.
        for name in ("images", "labels", "margins", "pending"):
            saved = state_dict.get(prefix + name)
            if saved is not None:
                buffer = getattr(self, name)
                setattr(self, name, buffer.new_empty(saved.shape))
        self._added.clear()
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def sampling_threshold(iteration: int, total: int, cap: float) -> float:
    """λ = min(cap · t / T, cap): over-sampling sets in gradually (supplement, Table 2; release).

    Args:
        iteration: t.
        total: T, iterations of the whole run.
        cap: The paper's gamma, 0.5 on COCO.
    """
    check_range("sampling_threshold: total", total, 1, fix="use the number of iterations")
    check_range("sampling_threshold: cap", cap, 0, fix="use a number ≥ 0; 0 switches CrS off")
    return cap * min(iteration / total, 1.0)


def class_frequencies(
    labeled_images_per_class: Tensor,
    labeled_images: int,
    pool: PseudoLabelPool,
    *,
    variant: Variant = "paper",
) -> Tensor:
    """(n,) f_c: share of images with class c among labeled images and images with pseudo labels.

    Args:
        labeled_images_per_class: (n,) number of labeled images with each class.
        labeled_images: Number of labeled images.
        pool: Pseudo labels; images without any do not count.
        variant: ``release`` adds 0.01 to the number of images.
    """
    check_variant("class_frequencies", variant)
    guard = RELEASE_FREQUENCY_GUARD if variant == "release" else 0.0
    images = labeled_images + pool.images_with_labels() + guard
    counts = labeled_images_per_class.to(pool.labels.device) + pool.images_per_class()
    return counts.double() / max(images, 1)


def class_repeat_factors(frequencies: Tensor, threshold: float) -> Tensor:
    """(n,) r_c = max(1, sqrt(λ / f_c)); 1 for a class that no image has.

    Args:
        frequencies: (n,) f_c.
        threshold: λ of `sampling_threshold`, or the constant t of RFS.
    """
    check_range("class_repeat_factors: threshold", threshold, 0, fix="use a share of images")
    factors = (threshold / frequencies.double()).sqrt().clamp(min=1)
    return torch.where(frequencies > 0, factors, 1.0)


def crs_repeat_factors(pool: PseudoLabelPool, class_factors: Tensor) -> Tensor:
    """(images,) r = max(1, max over pseudo labels of r_c · d), float64 (CrS; release).

    Args:
        pool: Pseudo labels with their margins d.
        class_factors: (n,) r_c of `class_repeat_factors`.
    """
    values = class_factors[pool.labels.long()] * pool.margins.double()
    return _largest_per_image(pool.images.long(), values, pool.image_count)


def rfs_repeat_factors(
    images: Tensor, labels: Tensor, image_count: int, class_count: int, threshold: float
) -> Tensor:
    """(images,) r = max over the image's classes of max(1, sqrt(t / f_c)), float64 (RFS, LVIS).

    For labeled images from their annotations, for unlabeled ones from a pool's arrays
    (``pool.images, pool.labels``).

    Args:
        images: (M,) image index of each box.
        labels: (M,) class of each box.
        image_count: Number of images; images without a box have r = 1.
        class_count: n.
        threshold: t: a class in fewer than this share of the images is repeated.
    """
    pairs = torch.unique(images.long() * class_count + labels.long())
    counts = torch.bincount(pairs % class_count, minlength=class_count)
    factors = class_repeat_factors(counts / image_count, threshold)
    return _largest_per_image(pairs // class_count, factors[pairs % class_count], image_count)


def copies(repeat_factors: Tensor) -> Tensor:
    """(images,) int64 number of times an image is listed per epoch: r rounded up."""
    return repeat_factors.ceil().long()


def _largest_per_image(images: Tensor, values: Tensor, image_count: int) -> Tensor:
    largest = torch.ones(image_count, dtype=torch.float64, device=values.device)
    return largest.scatter_reduce_(0, images, values, "amax")
