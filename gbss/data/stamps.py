"""Pixels of single objects, crowds and backgrounds. Integer geometry: the same on any machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gbss.data.drawing import Colour, ObjectClass, Shape, Style, Texture

Pixels = NDArray[np.int16]
Mask = NDArray[np.bool_]

CONTRAST = 150
"""Least sum of absolute channel differences between colours that have to be told apart."""
LIGHTNESS = 45
"""Least difference in lightness between the same colours, 0 to 255."""
DOMINANCE = 70
"""How far the channel that names a colour stands above both others."""
CHANNELS = {"red": 0, "green": 1, "blue": 2}


@dataclass(frozen=True)
class Stamp:
    """Something to put on a canvas.

    Attributes:
        mask: Where it covers the canvas, (height, width).
        pixels: Its colours, (height, width, 3), 0 to 255; meaningless outside the mask.
    """

    mask: Mask
    pixels: Pixels


def outline(shape: Shape, width: int, height: int) -> Mask:
    """The pixels of a shape that fills a box of ``width`` x ``height``."""
    # Doubled coordinates from the centre keep half pixels integer.
    u = np.abs(2 * np.arange(width) + 1 - width)[None, :]
    v = np.abs(2 * np.arange(height) + 1 - height)[:, None]
    if shape == "square":
        return np.ones((height, width), dtype=np.bool_)
    if shape == "disc":
        return np.asarray((u * height) ** 2 + (v * width) ** 2 <= (width * height) ** 2)
    if shape == "cross":
        return np.asarray((5 * u <= 2 * width) | (5 * v <= 2 * height))
    if shape == "diamond":
        # A little more, so that the corners of an odd by an even size are there.
        return np.asarray(u * height + v * width <= width * height + min(width, height))
    if shape == "hourglass":
        return np.asarray(u * height <= v * width + max(width, height))
    rows = np.arange(1, height + 1)[:, None]
    return np.asarray(u * height <= width * rows)


def stripes(texture: Texture, width: int, height: int, period: int, phase: int) -> Mask:
    """Where the second colour of a texture goes, (height, width); nowhere for a solid one."""
    if texture == "solid":
        return np.zeros((height, width), dtype=np.bool_)
    columns = 2 * ((np.arange(width)[None, :] + phase) % period) < period
    rows = 2 * ((np.arange(height)[:, None] + phase) % period) < period
    two = {"vertical": columns, "horizontal": rows, "checker": columns ^ rows}[texture]
    return np.broadcast_to(two, (height, width))


def background(
    rng: np.random.Generator, side: int, style: Style | None = None
) -> tuple[Pixels, Pixels]:
    """Smooth blotches around a random colour, or the same colour with diagonal lines.

    Returns:
        The pixels (side, side, 3) and the colour (3,).
    """
    colour = rng.integers(50, 206, size=3, dtype=np.int16)
    if style == "hatched":
        along = np.add.outer(np.arange(side), np.arange(side) * int(rng.choice([-1, 1])))
        lines = along % int(rng.integers(7, 14)) < 2
        shade = rng.integers(15, 41, size=3, dtype=np.int16) * int(rng.choice([-1, 1]))
        return np.where(lines[..., None], colour + shade, colour).astype(np.int16), colour
    cells = int(rng.integers(3, 9))
    knots = colour + rng.integers(-40, 41, size=(cells + 1, cells + 1, 3), dtype=np.int16)
    # Bilinear interpolation in integers.
    cell, part = np.divmod(np.arange(side) * cells, side)
    part = part[:, None, None]
    rows = knots[cell].astype(np.int64) * (side - part) + knots[cell + 1] * part
    rows = rows.transpose(1, 0, 2)
    both = rows[cell] * (side - part) + rows[cell + 1] * part
    return (both.transpose(1, 0, 2) // side**2).astype(np.int16), colour


def noise(rng: np.random.Generator, pixels: Pixels) -> NDArray[np.uint8]:
    """Adds pixel noise of a strength drawn anew and rounds to what an image file holds."""
    strength = int(rng.integers(4, 17))
    grain = rng.integers(-strength, strength + 1, size=pixels.shape, dtype=np.int8)
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def single(
    rng: np.random.Generator,
    kind: ObjectClass,
    sides: tuple[int, int],
    ground: Pixels,
    style: Style | None = None,
) -> Stamp:
    """Draws one object.

    Args:
        rng: Source of size, colours, period and phase; none of them depends on the class, but for
            a colour that it names.
        kind: Its class.
        sides: Smallest and largest side in pixels.
        ground: Colour behind it (3,), from which both its colours differ.
        style: Style of the drawing.
    """
    width = int(rng.integers(sides[0], sides[1] + 1))
    height = int(np.clip(width * int(rng.integers(75, 134)) // 100, *sides))
    size = min(width, height)
    # Stripes of 4 to 6 pixels on small objects; coarser on large ones, so that they survive when
    # a region is scaled down.
    period = int(rng.integers(max(4, size // 8), max(6, size // 5) + 1))
    phase = int(rng.integers(period))
    first = _colour(rng, [ground], style, kind.colour)
    second = _colour(rng, [ground, first], style, None if kind.colour is None else "grey")
    two = stripes(kind.texture, width, height, period, phase)
    mask = outline(kind.shape, width, height)
    pixels = np.where(two[..., None], second, first)
    if style == "hatched":
        pixels = np.where(_rim(mask)[..., None], np.int16(20), pixels)
    return Stamp(mask, pixels)


def crowd(
    rng: np.random.Generator,
    kind: ObjectClass,
    sides: tuple[int, int],
    ground: Pixels,
    style: Style | None = None,
) -> Stamp:
    """Draws a tight cluster of 9 to 12 objects of one class as one stamp; arguments as `single`."""
    columns, rows = int(rng.integers(3, 5)), 3
    # Cells smaller than the largest member: neighbours touch and overlap.
    cell = sides[1] - 1
    width, height = (columns - 1) * cell + sides[1], (rows - 1) * cell + sides[1]
    mask = np.zeros((height, width), dtype=np.bool_)
    pixels = np.zeros((height, width, 3), dtype=np.int16)
    for place in range(columns * rows):
        member = single(rng, kind, sides, ground, style)
        tall, wide = member.mask.shape
        row, column = divmod(place, columns)
        y = row * cell + int(rng.integers(sides[1] - tall + 1))
        x = column * cell + int(rng.integers(sides[1] - wide + 1))
        mask[y : y + tall, x : x + wide] |= member.mask
        pixels[y : y + tall, x : x + wide][member.mask] = member.pixels[member.mask]
    return Stamp(mask, pixels)


def _rim(mask: Mask) -> Mask:
    """The pixels of a mask with a neighbour outside."""
    inside = np.pad(mask, 1)
    core = inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2]
    return mask & ~core


def _colour(
    rng: np.random.Generator,
    others: list[Pixels],
    style: Style | None,
    name: Colour | Literal["grey"] | None,
) -> Pixels:
    """A random colour (3,) that differs clearly from each of ``others``."""
    while True:
        colour = _any_colour(rng, style, name)
        if name in CHANNELS:
            channel = CHANNELS[name]
            if colour[channel] - np.delete(colour, channel).max() < DOMINANCE:
                continue
        gaps = [np.subtract(colour, other, dtype=np.int64) for other in others]
        # Lightness weights of ITU-R BT.601, in thousandths.
        if all(
            int(np.abs(gap).sum()) >= CONTRAST
            and abs(int(gap @ np.array([299, 587, 114]))) >= 1000 * LIGHTNESS
            for gap in gaps
        ):
            return colour


def _any_colour(rng: np.random.Generator, style: Style | None, name: str | None) -> Pixels:
    """A random colour (3,): any, a grey, or one of the 64 of the hatched style."""
    if name == "grey":
        return np.full(3, rng.integers(256), dtype=np.int16)
    if style == "hatched":
        return 85 * rng.integers(0, 4, size=3, dtype=np.int16)
    return rng.integers(0, 256, size=3, dtype=np.int16)
