import numpy as np
import pytest

from gbss.data import Subset
from gbss.data.scenes import _Canvas, render
from gbss.data.stamps import Stamp


def scenes(drawing, count=60):
    return [render(drawing, drawing.train, np.random.default_rng(seed)) for seed in range(count)]


@pytest.fixture
def canvas():
    return _Canvas(np.zeros((20, 20, 3), dtype=np.int16), 0.6)


def stamp(tall, wide, colour):
    pixels = np.full((tall, wide, 3), colour, dtype=np.int16)
    return Stamp(np.ones((tall, wide), dtype=np.bool_), pixels)


class Fixed:
    """Stands in for a generator: the next integers are given."""

    def __init__(self, *values):
        self.values = list(values)

    def integers(self, *_):
        return self.values.pop(0)


def test_boxes_and_areas_are_of_visible_pixels(canvas, make_drawing):
    below, above, _ = make_drawing().classes
    canvas.place(Fixed(2, 3), stamp(10, 8, 50), below, crowd=False)
    canvas.place(Fixed(7, 1), stamp(12, 5, 90), above, crowd=True)
    first, second = canvas.placed()
    assert (first.box, first.area, first.crowd) == ((2, 3, 5, 10), 50, False)
    assert (second.box, second.area, second.crowd) == ((7, 1, 5, 12), 60, True)
    assert canvas.pixels[5, 8].tolist() == [90, 90, 90]


def test_an_object_that_would_hide_another_is_moved_or_left_out(canvas, make_drawing):
    kind = make_drawing().classes[0]
    canvas.place(Fixed(2, 3), stamp(10, 8, 50), kind, crowd=False)
    canvas.place(Fixed(4, 3, 12, 3), stamp(10, 8, 90), kind, crowd=False)
    assert [each.box for each in canvas.placed()] == [(2, 3, 8, 10), (12, 3, 8, 10)]
    canvas.place(Fixed(*[4, 3] * 10), stamp(10, 8, 70), kind, crowd=False)
    assert len(canvas.placed()) == 2


def test_objects_may_stick_out_of_the_image(canvas, make_drawing):
    canvas.place(Fixed(-1, 12), stamp(10, 8, 50), make_drawing().classes[0], crowd=False)
    assert [(each.box, each.area) for each in canvas.placed()] == [((0, 12, 7, 8), 56)]


def test_shares_of_empty_and_crowded_scenes(make_drawing):
    drawn = scenes(make_drawing(empty_share=0.3, crowd_share=0.5), 200)
    empty = [scene for scene in drawn if not scene.objects]
    crowded = [scene for scene in drawn if any(each.crowd for each in scene.objects)]
    assert 40 <= len(empty) <= 80
    assert 50 <= len(crowded) <= 90
    assert not any(
        each.crowd for scene in scenes(make_drawing(crowd_share=0)) for each in scene.objects
    )


def test_counts_follow_their_distribution(make_drawing):
    drawn = scenes(make_drawing(side=128, counts=(0, 3, 1), empty_share=0, crowd_share=0), 200)
    numbers = np.bincount([len(scene.objects) for scene in drawn])
    assert numbers.tolist()[:2] == [0, 0]
    assert 130 <= numbers[2] <= 170
    assert len(numbers) == 4


def test_classes_follow_their_frequencies(make_drawing):
    drawing = make_drawing(train=30)
    names = [each.kind.name for scene in scenes(drawing, 200) for each in scene.objects]
    shares = [names.count(kind.name) / len(names) for kind in drawing.classes]
    assert shares == pytest.approx([5 / 8, 1 / 8, 2 / 8], abs=0.06)


def test_a_frequency_of_zero_never_shows(make_drawing):
    drawing = make_drawing()
    subset = Subset(9, {"solid cross": 0, "horizontal disc": 1, "vertical triangle": 0})
    for seed in range(20):
        objects = render(drawing, subset, np.random.default_rng(seed)).objects
        assert {each.kind.name for each in objects} <= {"horizontal disc"}


def test_small_and_large_objects_and_occlusion(make_drawing):
    drawing = make_drawing(side=128, large=(40, 60), counts=(0, 0, 0, 1), empty_share=0)
    objects = [each for scene in scenes(drawing) for each in scene.objects if not each.crowd]
    sides = np.array([max(each.box[2:]) for each in objects])
    assert 0.35 < (sides <= 30).mean() < 0.65
    assert (sides >= 40).mean() > 0.2
    assert all(0 < each.area <= each.box[2] * each.box[3] for each in objects)
    overlaps = sum(
        first.box[0] < second.box[0] + second.box[2]
        and second.box[0] < first.box[0] + first.box[2]
        and first.box[1] < second.box[1] + second.box[3]
        and second.box[1] < first.box[1] + first.box[3]
        for scene in scenes(drawing)
        for number, first in enumerate(scene.objects)
        for second in scene.objects[:number]
    )
    assert overlaps > 20
