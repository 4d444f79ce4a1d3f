"""Writes figures so that the same numbers give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gbss.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 200


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PDF and PNG, each in one step and without the time of day.

    Args:
        figure: What to write; it needs no window and no global state of matplotlib.
        path: Where, without suffix.
    """
    from matplotlib import rc_context

    metadata = {"pdf": {"CreationDate": None, "Producer": None}, "png": {"Software": None}}
    for suffix, entries in metadata.items():
        # Type 42: fonts that journals accept.
        with (
            rc_context({"pdf.fonttype": 42}),
            atomic_path(path.with_name(f"{path.name}.{suffix}")) as beside,
        ):
            figure.savefig(beside, format=suffix, dpi=DOTS_PER_INCH, metadata=entries)
