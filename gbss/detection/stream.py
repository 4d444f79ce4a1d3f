"""An endless order of images in which some stand several times, and which can change."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


class Stream:
    """The images of one source: a permutation of all their copies, then the next one.

    After a `change` the current permutation goes on with what it still lacks by the new copies, in
    a new order: an image that was drawn is not drawn again before the others, unless its copies
    have become more.

    Args:
        seed: Of all permutations.
        key: What tells this stream from others with the same seed.
        images: Their indices.
        copies: How often each stands in a permutation, at least once; None: once.
    """

    def __init__(
        self, seed: int, key: tuple[int, ...], images: Array, copies: Array | None = None
    ) -> None:
        self.seed = seed
        self.key = key
        self.images = images
        self.copies = np.ones(len(images), dtype=np.int64) if copies is None else copies
        self.epoch = 0
        self.offset = 0
        # Of a permutation that a change has cut short: its new rest, and what came before that.
        self._rest: Array | None = None
        self._before = np.zeros(len(images), dtype=np.int64)
        self._cached: Array | None = None

    def take(self, count: int) -> Array:
        """The next images."""
        parts = []
        while count:
            part = self._order()[self.offset : self.offset + count]
            parts.append(self.images[part])
            count -= len(part)
            self.skip(len(part))
        return np.concatenate([self.images[:0], *parts])

    def skip(self, count: int) -> None:
        """Moves on without looking."""
        self.offset += count
        while self.offset >= (length := self._length()):
            self.offset -= length
            self.epoch += 1
            self._rest = self._cached = None
            self._before[:] = 0

    def change(self, copies: Array, number: int) -> None:
        """Sets how often each image stands in this permutation and in later ones.

        Args:
            copies: Per image, at least 1.
            number: Of the change: two changes give two orders.
        """
        if not len(self.images):
            return
        drawn = np.bincount(self._order()[: self.offset], minlength=len(self.images))
        self._before += drawn
        self.copies = copies
        lacking = np.repeat(np.arange(len(copies)), (copies - self._before).clip(min=0))
        rng = np.random.default_rng((self.seed, 4, *self.key, self.epoch, number))
        self._rest, self._cached, self.offset = rng.permutation(lacking), None, 0
        self.skip(0)  # to the next permutation if nothing is lacking

    def _length(self) -> int:
        return int(self.copies.sum()) if self._rest is None else len(self._rest)

    def _order(self) -> Array:
        """Positions in ``images``."""
        if self._rest is not None:
            return self._rest
        if self._cached is None:
            every = np.repeat(np.arange(len(self.images)), self.copies)
            rng = np.random.default_rng((self.seed, 1, *self.key, self.epoch))
            self._cached = rng.permutation(every)
        return self._cached


class ClassStream:
    """The images of one source by class: each class equally often, and each of its images.

    Equally often within one stream: each orientation of images has its own, so a class without any
    image of one orientation is drawn less often altogether (0064).

    Draw number k takes class k mod m of a permutation of the m classes, which every round has
    anew, and of this class the next image of a permutation of its images.

    Args:
        seed: Of all permutations.
        key: What tells this stream from others with the same seed.
        images: Their indices; those without a class are drawn only if all are without.
        boxes: (M,) image index of every labeled box; of images that are not here, too.
        labels: (M,) its class.
    """

    def __init__(
        self, seed: int, key: tuple[int, ...], images: Array, boxes: Array, labels: Array
    ) -> None:
        self.seed = seed
        self.key = key
        here = np.isin(boxes, images)
        boxes, labels = boxes[here], labels[here]
        found = [np.unique(boxes[labels == label]) for label in np.unique(labels)]
        self.by_class = found or [images]
        self.place = 0

    def take(self, count: int) -> Array:
        """The next images."""
        found = [self._image(self.place + step) for step in range(count)]
        self.skip(count)
        return np.array(found, dtype=self.by_class[0].dtype)

    def skip(self, count: int) -> None:
        """Moves on without looking."""
        self.place += count

    def _image(self, draw: int) -> int:
        cycle, position = divmod(draw, len(self.by_class))
        number = self._permutation(len(self.by_class), 0, cycle)[position]
        images = self.by_class[number]
        epoch, place = divmod(cycle, len(images))
        return int(images[self._permutation(len(images), 1 + int(number), epoch)[place]])

    def _permutation(self, length: int, which: int, epoch: int) -> Array:
        rng = np.random.default_rng((self.seed, 6, *self.key, which, epoch))
        return rng.permutation(length)
