"""The grid of runs at a scale: which there are, where each lies, how far it is, what it costs."""

from __future__ import annotations

from gbss.grid.grid import Grid
from gbss.grid.place import Place

__all__ = ["Grid", "Place"]
