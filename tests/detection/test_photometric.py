import random

import cv2
import numpy as np
import pytest

from gbss.detection import photometric
from gbss.detection.photometric import StrongPhotometric, erase, jitter


@pytest.fixture
def image():
    rng = np.random.default_rng(3)
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8), (0, 0), 3)
    return cv2.normalize(smooth, None, 30, 220, cv2.NORM_MINMAX)


def seeded(seed):
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002


def test_size_type_and_everything_but_the_image_stay(image):
    before, boxes = image.copy(), object()
    seeded(1)
    found = StrongPhotometric()({"img": image, "gt_bboxes": boxes})
    assert found["gt_bboxes"] is boxes
    assert (found["img"].shape, found["img"].dtype) == (image.shape, np.uint8)
    assert not np.array_equal(found["img"], before)
    assert np.array_equal(image, before)  # the weak view may share it


def test_the_same_seed_gives_the_same_image(image):
    def changed(seed):
        seeded(seed)
        return StrongPhotometric()({"img": image})["img"]

    assert np.array_equal(changed(5), changed(5))
    assert not np.array_equal(changed(5), changed(6))


def test_probabilities(image, monkeypatch):
    counts = dict.fromkeys(("jitter", "grey", "erase"), 0)

    def counting(name, result):
        def call(*arguments):
            counts[name] += 1
            return result

        monkeypatch.setattr(photometric, name, call)

    counting("jitter", image)
    counting("grey", image[..., 0])
    counting("erase", None)
    seeded(2)
    for _ in range(1000):
        StrongPhotometric()({"img": image})
    found = {name: count / 1000 for name, count in counts.items()}
    assert found == pytest.approx({"jitter": 0.8, "grey": 0.2, "erase": 1.5}, abs=0.05)


def test_factors_stay_in_range(image, monkeypatch):
    monkeypatch.setattr(random, "sample", lambda names, count: ["brightness"])
    ratios = []
    for seed in range(200):
        seeded(seed)
        ratios.append(jitter(image)[image < 150].mean() / image[image < 150].mean())
    assert 0.59 < min(ratios) < 0.65
    assert 1.35 < max(ratios) < 1.41


@pytest.mark.parametrize("operation", ["contrast", "saturation", "hue"])
def test_operations_leave_a_grey_image_grey_and_its_mean(operation, monkeypatch):
    grey = np.repeat(np.linspace(60, 190, 50).astype(np.uint8).reshape(5, 10, 1), 3, axis=2)
    monkeypatch.setattr(random, "sample", lambda names, count: [operation])
    seeded(4)
    found = jitter(grey)
    assert (found == found[..., :1]).all()
    assert found.mean() == pytest.approx(grey.mean(), abs=1)
    assert np.array_equal(found, grey) == (operation != "contrast")


def test_a_rectangle_has_the_drawn_share_and_ratio():
    for seed in range(60):
        image = np.zeros((100, 120, 3), dtype=np.uint8)
        seeded(seed)
        erase(image, (0.05, 0.2), (0.3, 3.3))
        rows, columns = (np.flatnonzero(image.any((axis, 2))) for axis in (1, 0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 0.045 <= height * width / image[..., 0].size <= 0.205
        assert 0.28 <= height / width <= 3.5


def test_a_rectangle_that_never_fits_is_left_out():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    erase(image, (5.0, 6.0), (1.0, 1.0))
    assert not image.any()
