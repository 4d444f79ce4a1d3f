"""How much of a difference between rows the choice of validation images may make."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from gbss.evaluation.record import Record
from gbss.reporting.style import group_label


def noise_notes(records: Sequence[Record], columns: Sequence[str]) -> list[str]:
    """A sentence with half the width of the intervals of AP, in points; none without intervals.

    Args:
        records: Of all rows of a table; those without intervals are counted only.
        columns: Groups of classes.
    """
    stating = [record["intervals"] for record in records if "intervals" in record]
    parts = []
    for group in columns:
        ends = [each["groups"][group] for each in stating]
        widths = [50 * (each["high"] - each["low"]) for each in ends if each is not None]
        if widths:
            parts.append(f"{group_label(group)} {fmean(widths):.1f}")
    if not parts:
        return []
    shares = sorted({f"{each['level']:.0%}".replace("%", " %") for each in stating})
    which = "" if len(stating) == len(records) else f", {len(stating)} of {len(records)}"
    text = f"half the {' or '.join(shares)} interval of AP on images drawn again"
    text += f", mean over the runs{which}"
    noise = f"Noise of the validation set ({text}): {', '.join(parts)}."
    # What is hard in an image is hard for every row.
    return [f"{noise} A difference of two rows on the same images has less: `gbss compare`."]
