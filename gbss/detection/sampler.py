"""An infinite sampler that mixes labeled and unlabeled images and can resume anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

Draw = tuple[int, int]
"""Index of an image in the dataset, and the seed of everything that is random about loading it."""


class MixedSampler(Sampler[Draw]):
    """Draws batches of first labeled, then unlabeled images, for ever.

    Every image of a batch has the same orientation (portrait or landscape), so that little is
    lost to padding; the orientation is drawn in proportion to how frequent it is. Within source
    and orientation the images come in the order of a permutation, then of the next one. Draws
    depend on nothing but the seed and the number of the batch: a resumed run sees what an
    uninterrupted one sees, whatever the number of loading processes, and the number of training
    processes only decides how a sequence of draws is dealt out.

    Args:
        dataset: A dataset of two sources, as `gbss.detection.dataset.MixedDataset`.
        labeled: Labeled images per batch and process.
        unlabeled: Unlabeled images per batch and process.
        seed: Of permutations, orientations and augmentation.

    Raises:
        ValueError: One of the sources is empty.
    """

    def __init__(self, dataset: Any, labeled: int, unlabeled: int, seed: int | None) -> None:
        if seed is None:
            raise ValueError("MixedSampler needs a seed: set randomness.seed in the configuration")
        self.seed = seed
        self.rank, self.world_size = get_dist_info()
        self.counts = (labeled, unlabeled)
        self.batch = 0
        sizes = [len(source) for source in dataset.datasets]
        if len(sizes) != 2 or 0 in sizes:
            raise ValueError(f"expected a labeled and an unlabeled source with images, got {sizes}")
        sources = np.repeat([0, 1], sizes)
        portrait = np.array([_is_portrait(dataset, index) for index in range(sum(sizes))])
        present = [{bool(flag) for flag in portrait[sources == source]} for source in (0, 1)]
        if present[0] != present[1]:
            # An orientation that only one source has could never fill a batch.
            portrait[:] = False
        self.members = [
            [np.flatnonzero((sources == source) & (portrait == flag)) for flag in (False, True)]
            for source in (0, 1)
        ]
        self.portrait_share = float(portrait.mean())

    def skip(self, num_samples: int) -> None:
        """Moves on by whole batches; mmengine calls it when a run is resumed.

        Args:
            num_samples: Images of this process that were already trained on.
        """
        self.batch += num_samples // sum(self.counts)

    def set_epoch(self, epoch: int) -> None:
        """Does nothing: there are no epochs."""

    def __len__(self) -> int:
        """Number of images; nominal, as the draws never end."""
        return sum(len(members) for source in self.members for members in source)

    def __iter__(self) -> Iterator[Draw]:
        # Batches of each orientation so far: they say how many of its images were drawn.
        drawn = [0, 0]
        for batch in range(self.batch):
            drawn[self._orientation(batch)] += 1
        batch = self.batch
        while True:
            orientation = self._orientation(batch)
            place = 0
            for source, count in enumerate(self.counts):
                start = (drawn[orientation] * self.world_size + self.rank) * count
                for position in range(start, start + count):
                    index = self._image(source, orientation, position)
                    yield index, self._loading_seed(batch, place)
                    place += 1
            drawn[orientation] += 1
            batch += 1

    def _orientation(self, batch: int) -> int:
        if self.portrait_share in (0.0, 1.0):
            return int(self.portrait_share)
        return int(np.random.default_rng((self.seed, 0, batch)).random() < self.portrait_share)

    def _image(self, source: int, orientation: int, position: int) -> int:
        members = self.members[source][orientation]
        epoch, offset = divmod(position, len(members))
        key = (source, orientation, epoch)
        return int(self._permutation(key, members)[offset])

    def _permutation(self, key: tuple[int, int, int], members: np.ndarray) -> np.ndarray:
        cache = self.__dict__.setdefault("_permutations", {})
        if key not in cache:
            # One permutation per source and orientation is in use at a time.
            for old in [old for old in cache if old[:2] == key[:2]]:
                del cache[old]
            cache[key] = np.random.default_rng((self.seed, 1, *key)).permutation(members)
        return cache[key]

    def _loading_seed(self, batch: int, place: int) -> int:
        words = np.random.SeedSequence((self.seed, 2, batch, self.rank, place)).generate_state(1)
        return int(words[0])


def _is_portrait(dataset: Any, index: int) -> bool:
    info = dataset.get_data_info(index)
    return bool(info["height"] > info["width"])
