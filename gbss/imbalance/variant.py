"""The one switch between the paper's text and the behaviour of the released code."""

from __future__ import annotations

from typing import Literal, get_args

from gbss.errors import fail, nearest

Variant = Literal["paper", "release"]
"""``paper`` follows the supplement's text, ``release`` the released code where they differ."""

MOMENTUM = 0.999
"""Share of the old value in every running mean. The paper is silent; the released code's value."""

WEIGHT_BOUNDS = (1 / 3, 5.0)
"""Smallest and largest class weight. The paper only asks for w > 0; the released code's values."""


def check_variant(where: str, variant: str) -> None:
    """Raises `GbssError` unless ``variant`` is one of `Variant`."""
    if variant not in get_args(Variant):
        raise fail(
            f"{where}: variant",
            found=repr(variant),
            expected="'paper' or 'release'",
            fix=nearest(variant, get_args(Variant)),
        )


def check_range(
    where: str, value: float, low: float, high: float = float("inf"), *, fix: str
) -> None:
    """Raises `GbssError` unless low ≤ value ≤ high; NaN is outside every range."""
    if not low <= value <= high:
        raise fail(where, found=str(value), expected=f"a number in [{low}, {high}]", fix=fix)
