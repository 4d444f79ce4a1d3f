"""Labels, colours and order of what tables and figures show; both take them from here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GroupStyle:
    """How a group of classes is shown.

    Attributes:
        label: Its name in the head of a table and in legends, as in the paper.
        colour: Its colour in figures; red for minority and green for majority as in the paper's
            figures 8 to 10, in shades that colour-blind readers can tell apart.
        marker: Its marker in figures, so that colour is never the only cue.
    """

    label: str
    colour: str
    marker: str = "o"


GROUPS = {
    "all": GroupStyle("all", "#444444", "D"),
    "majority": GroupStyle("maj", "#009e73"),
    "minority": GroupStyle("min", "#d55e00", "^"),
    "rare": GroupStyle("r", "#d55e00", "^"),
    "common": GroupStyle("c", "#f0e442", "s"),
    "frequent": GroupStyle("f", "#009e73"),
}
"""Groups in the order of the paper's columns."""

OTHER = GroupStyle("other", "#0072b2", "v")
"""A group that the paper does not have."""

GUIDE = "#bbbbbb"
"""Colour of lines that only lead the eye."""

PAPER_SCALE = "paper"
"""The one scale whose numbers may be compared with the paper's: its data and schedule."""


def group_label(group: str) -> str:
    """The short label of a group; a group without one keeps its name."""
    return GROUPS[group].label if group in GROUPS else group
