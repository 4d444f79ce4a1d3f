"""A scale: how large and on what the grid of rows is run. One file under ``workflow/config``."""

from gbss.scales.load import SEEDS, load_scale, with_seeds
from gbss.scales.scale import DEFAULT, Scale

__all__ = ["DEFAULT", "SEEDS", "Scale", "load_scale", "with_seeds"]
