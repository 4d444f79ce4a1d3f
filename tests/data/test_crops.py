import numpy as np

from gbss.data import crops


def test_crops_are_balanced_and_the_last_label_is_background(make_drawing):
    images, labels = crops(make_drawing(), 42, seed=0)
    assert images.shape == (42, 32, 32, 3)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [11, 11, 10, 10]
    assert labels[:8].tolist() != sorted(labels[:8].tolist())


def test_background_crops_are_bare(make_drawing):
    images, labels = crops(make_drawing(), 80, seed=1)
    spread = np.ptp(images.astype(int).mean(axis=3), axis=(1, 2))
    assert np.median(spread[labels == 3]) < 0.7 * np.median(spread[labels < 3])


def test_crops_repeat_and_differ_by_seed(make_drawing):
    first, second, other = (crops(make_drawing(), 12, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


def test_the_stripes_of_a_crop_run_as_its_class_says(make_drawing):
    images, labels = crops(make_drawing(), 200, seed=2)
    middle = images[:, 10:22, 10:22].astype(int)
    steps = [np.abs(np.diff(middle, axis=axis)).sum(axis=(1, 2, 3)) for axis in (1, 2)]
    horizontal = steps[0] > steps[1]
    assert horizontal[labels == 1].mean() > 0.9
    assert horizontal[labels == 2].mean() < 0.1
