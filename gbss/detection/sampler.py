"""An infinite sampler that mixes labeled and unlabeled images and can resume anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from torch import Tensor
from torch.utils.data import Sampler

from gbss.detection.repeats import labeled_boxes, labeled_copies
from gbss.detection.stream import ClassStream, Stream
from gbss.errors import fail

Draw = tuple[int, int]
"""Index of an image in the dataset, and the seed of everything that is random about loading it."""


class MixedSampler(Sampler[Draw]):
    """Draws batches of first labeled, then unlabeled images, for ever.

    Every image of a batch has the same orientation (portrait or landscape), so that little is
    lost to padding; the orientation is drawn in proportion to how frequent it is. Within source
    and orientation the images come in the order of a permutation, then of the next one; an image
    with more than one copy stands in each several times. Draws depend on nothing but the seed, the
    number of the batch and the changes before it: a resumed run sees what an uninterrupted one
    sees, whatever the number of loading processes. A batch comes part after part, see
    `gbss.detection.parts`; the number of training processes only decides who gets which parts.

    Loading processes fetch ahead. A `change` therefore names the batch from which on it holds, and
    one that comes too late is an error.

    Args:
        dataset: A dataset of two sources, as `gbss.detection.dataset.MixedDataset`.
        labeled: Labeled images per part of a batch.
        unlabeled: Unlabeled images per part of a batch; 0 for a detector that has none.
        seed: Of permutations, orientations and augmentation.
        parts: Of a batch, over all processes, which share them equally; None: one each.
        drawn: Draw each part's number of labeled images: binomial over its images with mean
            ``labeled``, but at least one of each source (the original's ``by_prob``: of 1 + 4
            images 1.33 are labeled on average).
        labeled_threshold: t of repeat-factor sampling for the labeled images; None: no repeats.
        labeled_by_class: Draw labeled images by class, see `ClassStream`; then without repeats.

    Raises:
        ValueError: One of the sources is empty.
    """

    def __init__(
        self,
        dataset: Any,
        labeled: int,
        unlabeled: int,
        seed: int | None,
        *,
        parts: int | None = None,
        drawn: bool = False,
        labeled_threshold: float | None = None,
        labeled_by_class: bool = False,
    ) -> None:
        if seed is None:
            raise ValueError("MixedSampler needs a seed: set randomness.seed in the configuration")
        self.seed = seed
        rank, processes = get_dist_info()
        self.parts = parts or processes
        share = self.parts // processes
        self.mine = range(rank * share, (rank + 1) * share)
        self.counts = (labeled, unlabeled)
        self.drawn = drawn
        self.batch = 0
        self.sizes = [len(source) for source in dataset.datasets]
        if len(self.sizes) != 2 or 0 in self.sizes:
            raise ValueError(
                f"expected a labeled and an unlabeled source with images, got {self.sizes}"
            )
        sources = np.repeat([0, 1], self.sizes)
        portrait = np.array([_is_portrait(dataset, index) for index in range(sum(self.sizes))])
        present = [{bool(flag) for flag in portrait[sources == source]} for source in (0, 1)]
        if present[0] != present[1]:
            # An orientation that only one source has could never fill a batch.
            portrait[:] = False
        self.members = [
            [np.flatnonzero((sources == source) & (portrait == flag)) for flag in (False, True)]
            for source in (0, 1)
        ]
        self.portrait_share = float(portrait.mean())
        self.labeled_copies = np.ones(self.sizes[0], dtype=np.int64)
        if labeled_threshold is not None:
            self.labeled_copies = labeled_copies(dataset.datasets[0], labeled_threshold).numpy()
        self.by_class: list[np.ndarray] | None = None
        if labeled_by_class:
            self.by_class = [each.numpy() for each in labeled_boxes(dataset.datasets[0])]
        self.changes: dict[int, np.ndarray] = {}
        self._handed_out = 0

    def change(self, batch: int, copies: Tensor) -> None:
        """Sets how often unlabeled images are repeated, from a batch on.

        Args:
            batch: Its number, from 0. Equal on all processes.
            copies: (unlabeled images,) int64, at least 1.

        Raises:
            GbssError: The batch was already handed to the loading processes.
        """
        if batch < self._handed_out:
            raise fail(
                f"sampling: batch {batch}",
                found=f"batches up to {self._handed_out - 1} are already being loaded",
                expected="a change that comes before its batch is loaded",
                fix="use fewer loading processes (batch.workers of the scale)",
            )
        new = copies.cpu().numpy()
        if not np.array_equal(new, self.copies_at(batch)):
            self.changes[batch] = new

    def copies_at(self, batch: int) -> np.ndarray:
        """(unlabeled images,) how often each is repeated in the batch with this number."""
        before = [start for start in self.changes if start <= batch]
        if not before:
            return np.ones(self.sizes[1], dtype=np.int64)
        return self.changes[max(before)]

    def state_dict(self) -> dict[str, Any]:
        """All changes; the place in the sequence is told by `skip`."""
        return {
            "changes": {batch: torch.from_numpy(copies) for batch, copies in self.changes.items()}
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over the changes of a checkpoint; call it before anything is drawn."""
        self.changes = {batch: copies.cpu().numpy() for batch, copies in state["changes"].items()}

    def skip(self, num_samples: int) -> None:
        """Moves on by whole batches; mmengine calls it when a run is resumed.

        Args:
            num_samples: Images of this process that were already trained on.
        """
        self.batch += num_samples // (sum(self.counts) * len(self.mine))

    def set_epoch(self, epoch: int) -> None:
        """Does nothing: there are no epochs."""

    def __len__(self) -> int:
        """Number of images; nominal, as the draws never end."""
        return sum(self.sizes)

    def __iter__(self) -> Iterator[Draw]:
        streams = self._streams()
        for batch in count():
            if batch in self.changes:
                for members, stream in zip(self.members[1], streams[1], strict=True):
                    stream.change(self.changes[batch][members - self.sizes[0]], batch)
            orientation, counts = self._orientation(batch), self._counts(batch)
            if batch < self.batch:
                for source in (0, 1):
                    streams[source][orientation].skip(int(counts[:, source].sum()))
                continue
            self._handed_out = batch + 1
            # Of each source: how its images are dealt out to the parts.
            dealt = [
                np.split(
                    streams[source][orientation].take(int(counts[:, source].sum())),
                    counts[:, source].cumsum()[:-1],
                )
                for source in (0, 1)
            ]
            for part in self.mine:
                images = np.concatenate([dealt[0][part], dealt[1][part]])
                for place, index in enumerate(images):
                    yield int(index), self._loading_seed(batch, part, place)

    def _streams(self) -> list[list[Any]]:
        """Source → orientation → the order of its images."""
        copies = (self.labeled_copies, np.ones(self.sizes[1], dtype=np.int64))
        streams: list[list[Any]] = [
            [
                Stream(
                    self.seed,
                    (source, orientation),
                    members,
                    copies[source][members - source * self.sizes[0]],
                )
                for orientation, members in enumerate(self.members[source])
            ]
            for source in (0, 1)
        ]
        if self.by_class is not None:
            streams[0] = [
                ClassStream(self.seed, (0, orientation), members, *self.by_class)
                for orientation, members in enumerate(self.members[0])
            ]
        return streams

    def _orientation(self, batch: int) -> int:
        if self.portrait_share in (0.0, 1.0):
            return int(self.portrait_share)
        return int(np.random.default_rng((self.seed, 0, batch)).random() < self.portrait_share)

    def _counts(self, batch: int) -> np.ndarray:
        """(parts, 2) labeled and unlabeled images of every part."""
        if not self.drawn:
            return np.tile(self.counts, (self.parts, 1))
        size = sum(self.counts)
        rng = np.random.default_rng((self.seed, 5, batch))
        labeled = rng.binomial(size, self.counts[0] / size, self.parts).clip(1, size - 1)
        return np.stack([labeled, size - labeled], 1)

    def _loading_seed(self, batch: int, part: int, place: int) -> int:
        words = np.random.SeedSequence((self.seed, 2, batch, part, place)).generate_state(1)
        return int(words[0])


def _is_portrait(dataset: Any, index: int) -> bool:
    info = dataset.get_data_info(index)
    return bool(info["height"] > info["width"])
