"""Labels, colours and order of what tables and figures show; both take them from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class GroupStyle:
    """How a group of classes is shown.

    Attributes:
        label: Its name in the head of a table, as in the paper; figures have room for the whole.
        colour: Its colour in figures; red for minority and green for majority as in the paper's
            figures 8 to 10, in shades that colour-blind readers can tell apart.
        marker: Its marker in figures, so that colour is never the only cue.
        ink: Its colour where lines are thin; empty: the same.
    """

    label: str
    colour: str
    marker: str = "o"
    ink: str = ""

    @property
    def line(self) -> str:
        """The colour of lines and text on white; a darker one where `colour` would hardly show."""
        return self.ink or self.colour


GROUPS = {
    "all": GroupStyle("all", "#444444", "D"),
    "majority": GroupStyle("maj", "#009e73"),
    "minority": GroupStyle("min", "#d55e00", "^"),
    "rare": GroupStyle("r", "#d55e00", "^"),
    "common": GroupStyle("c", "#f0e442", "s", ink="#9a8f00"),
    "frequent": GroupStyle("f", "#009e73"),
}
"""Groups in the order of the paper's columns."""

OTHER = GroupStyle("other", "#0072b2", "v")
"""A group that the paper does not have."""

TAIL = ("minority", "rare")
"""The groups that the method is for."""

HEAD = ("majority", "frequent")
"""The groups that have enough labels."""


OBJECT = "#0072b2"
"""Colour of what is neither: all classes, the background."""

LINES = ("-.", ":", "--", (0, (6, 1, 1, 1, 1, 1)), "-")
"""Lines of compared methods: the first is the baseline's, dash-dot as in the paper's figure 3; the
last is ours."""

GUIDE = "#bbbbbb"
"""Colour of lines that only lead the eye."""

PAPER_SCALE = "paper"
"""The one scale whose numbers may be compared with the paper's: its data and schedule."""


def style_of(group: str) -> GroupStyle:
    """How a group is shown; one that the paper does not have, like others of that kind."""
    return GROUPS.get(group, OTHER)


def tail_last(groups: Iterable[str]) -> list[str]:
    """Groups in the order of drawing: what the method is for lies on top."""
    return sorted(groups, key=lambda group: (group in TAIL) - (group in HEAD))


def line_of(place: int, methods: int) -> str | tuple[int, tuple[int, ...]]:
    """The line of one of several methods, the last of which is ours.

    Args:
        place: Its place, from 0.
        methods: How many there are.
    """
    return LINES[-1] if place == methods - 1 else LINES[place % (len(LINES) - 1)]


def group_label(group: str) -> str:
    """The short label of a group; a group without one keeps its name."""
    return GROUPS[group].label if group in GROUPS else group
