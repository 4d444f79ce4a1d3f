"""What the heads that classify have in common: others may look at what they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from gbss.losses.base import ClassificationLoss

Observer = Callable[..., Tensor | None]
"""Logits (N, columns), labels (N,), label weights (N,), and by name: ``gradients`` (N, C) of a loss
that has its own, ``divisor`` of a loss that is not divided by N → (N,) factors of the losses, or
None."""

Listener = Callable[[Tensor, Tensor], None]
"""Scores (M,) and labels (M,) of one image's detections, after suppression."""


class ObservedHead:
    """A head that shows its samples and its detections.

    Both are off unless a detector says, for a part of its step, who looks: a forward pass outside
    of `shown_to` is neither weighted nor seen. They are plain functions, so that no module ends
    up inside the head and is averaged with it.
    """

    _observer: Observer | None = None
    _listener: Listener | None = None
    _final = False

    @property
    def own_loss(self) -> ClassificationLoss | None:
        """The classification loss, if it is one of `gbss.losses` and not mmdet's."""
        return None

    @contextmanager
    def shown_to(self, observer: Observer | None) -> Iterator[None]:
        """Within it, losses are shown to ``observer`` and multiplied by what it returns.

        Args:
            observer: None: nobody.
        """
        self._observer = observer
        try:
            yield
        finally:
            self._observer = None

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """Within it, ``listener`` is told of every image's detections, with any score."""
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None

    @contextmanager
    def final(self) -> Iterator[None]:
        """Within it, scores are those of results; otherwise those of pseudo labels."""
        self._final = True
        try:
            yield
        finally:
            self._final = False

    def tell(self, results: Any) -> None:
        """Tells the listener of the detections of a batch."""
        if self._listener is not None:
            for image in results:
                self._listener(image.scores, image.labels)


def observed_head(detector: Any) -> Any:
    """The `ObservedHead` of a detector of either kind: that of its regions, or its only one."""
    return getattr(detector, "roi_head", detector).bbox_head
