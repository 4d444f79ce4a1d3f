"""Writes figures and their numbers so that the same numbers give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gbss.errors import fail
from gbss.files import atomic_path, write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DOTS_PER_INCH = 200

TEXT = (
    *("row", "class", "group", "look_alike", "taken_for", "kind", "what", "file"),
    *("logit", "samples"),
)
"""Columns of the figures that hold names, whatever these look like."""


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


def write_numbers(numbers: pd.DataFrame, path: Path) -> None:
    """Writes what a figure shows as csv; what does not exist is left empty."""
    write_text(path, numbers.to_csv(index=False, float_format="%.8g"))


def read_numbers(path: Path) -> pd.DataFrame:
    """Reads what `write_numbers` wrote.

    Raises:
        GbssError: The file is no such csv.
    """
    import pandas as pd

    # Classes may be called "none", "NA", "7" or "True".
    names = dict.fromkeys(TEXT, str)
    try:
        return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise fail(
            str(path),
            found=f"unreadable: {error}",
            expected="numbers of a figure",
            fix="remove it, and make the figure from its runs",
        ) from error
