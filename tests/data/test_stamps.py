import numpy as np
import pytest

from gbss.data import ObjectClass
from gbss.data.stamps import (
    CONTRAST,
    DOMINANCE,
    background,
    crowd,
    noise,
    outline,
    single,
    stripes,
)

SHAPES = ("disc", "square", "triangle", "cross", "diamond", "hourglass")
GROUND = np.array([90, 130, 60], dtype=np.int16)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_fills_its_box(shape):
    mask = outline(shape, 23, 14)
    assert mask.shape == (14, 23)
    assert mask.any(axis=1).all()
    assert mask.any(axis=0).all()


def test_shapes_differ_clearly_even_when_small():
    masks = [outline(shape, 14, 15) for shape in SHAPES]
    for first in range(len(masks)):
        for second in range(first):
            assert (masks[first] != masks[second]).mean() > 0.12


def test_stripes_by_hand():
    assert stripes("vertical", 6, 2, 4, 1).tolist() == [[True, False, False, True, True, False]] * 2
    assert stripes("horizontal", 2, 5, 5, 0)[:, 0].tolist() == [True, True, True, False, False]
    assert not stripes("solid", 3, 2, 4, 0).any()
    assert stripes("checker", 4, 3, 4, 0).tolist() == [
        [False, False, True, True],
        [False, False, True, True],
        [True, True, False, False],
    ]


@pytest.mark.parametrize(("texture", "along", "across"), [("horizontal", 0, 1), ("vertical", 1, 0)])
def test_small_objects_show_at_least_two_periods(texture, along, across):
    kind = ObjectClass("any", 1, "square", texture)
    for seed in range(20):
        pixels = single(np.random.default_rng(seed), kind, (14, 14), GROUND).pixels
        assert (np.diff(pixels, axis=across) == 0).all()
        edges = (np.diff(pixels, axis=along) != 0).any(axis=2).sum(axis=along)
        assert (edges >= 4).all()


def test_colours_do_not_depend_on_the_class_and_stand_out():
    kinds = [ObjectClass("any", 1, "square", texture) for texture in ("horizontal", "vertical")]
    for seed in range(20):
        first, second = (
            single(np.random.default_rng(seed), kind, (14, 30), GROUND).pixels for kind in kinds
        )
        colours = np.unique(first.reshape(-1, 3), axis=0)
        assert np.array_equal(colours, np.unique(second.reshape(-1, 3), axis=0))
        assert (np.abs(colours - GROUND).sum(axis=1) >= CONTRAST).all()
        assert len(colours) == 2


def test_a_crowd_is_a_cluster_of_many_objects():
    kind = ObjectClass("any", 1, "disc", "solid")
    stamp = crowd(np.random.default_rng(3), kind, (10, 14), GROUND)
    assert 9 <= len(np.unique(stamp.pixels[stamp.mask], axis=0)) <= 12
    assert stamp.mask.shape[0] == 40
    assert 0.3 < stamp.mask.mean() < 0.9


def test_background_is_smooth_and_noise_small():
    rng = np.random.default_rng(5)
    pixels, colour = background(rng, 50)
    assert pixels.shape == (50, 50, 3)
    assert np.abs(pixels - colour).max() <= 40
    assert np.abs(np.diff(pixels, axis=0)).max() <= 14
    noisy = noise(rng, pixels)
    assert noisy.dtype == np.uint8
    assert 2 <= np.abs(noisy.astype(int) - pixels).max() <= 16


@pytest.mark.parametrize(("name", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_colour_dominates_and_its_stripes_are_grey(name, channel):
    kind = ObjectClass("any", 1, "square", "vertical", name)
    for seed in range(20):
        pixels = single(np.random.default_rng(seed), kind, (14, 30), GROUND).pixels
        colours = np.unique(pixels.reshape(-1, 3), axis=0)
        grey = np.ptp(colours, axis=1) == 0
        assert sorted(grey) == [False, True]
        strong = colours[~grey][0]
        assert strong[channel] - np.delete(strong, channel).max() >= DOMINANCE
        assert (np.abs(colours - GROUND).sum(axis=1) >= CONTRAST).all()


def test_hatched_objects_have_a_dark_rim_and_few_colours():
    kind = ObjectClass("any", 1, "disc", "solid")
    for seed in range(20):
        stamp = single(np.random.default_rng(seed), kind, (20, 20), GROUND, "hatched")
        edge = stamp.mask & ~np.pad(stamp.mask, 1)[:-2, 1:-1]
        assert (stamp.pixels[edge] == 20).all()
        colours = np.unique(stamp.pixels[stamp.mask], axis=0)
        assert len(colours) == 2
        assert (colours[(colours != 20).any(axis=1)] % 85 == 0).all()


@pytest.mark.parametrize("style", [None, "hatched"])
def test_a_colour_is_found_on_any_ground(style):
    """Also between the two lightnesses that leave the least room for a third."""
    kind = ObjectClass("any", 1, "square", "vertical")
    rng = np.random.default_rng(0)
    for _ in range(500):
        _, ground = background(rng, 8, style)
        assert single(rng, kind, (14, 14), ground, style).mask.all()


def test_a_hatched_background_has_diagonal_lines():
    pixels, colour = background(np.random.default_rng(2), 50, "hatched")
    assert pixels.shape == (50, 50, 3)
    lines = (pixels != colour).any(axis=2)
    assert 0.1 < lines.mean() < 0.35
    falling, rising = lines[1:, 1:] == lines[:-1, :-1], lines[1:, :-1] == lines[:-1, 1:]
    assert falling.all() != rising.all()
