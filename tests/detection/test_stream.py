from collections import Counter

import numpy as np

from gbss.detection.stream import ClassStream

# Class 5 in three images, class 2 in one, which also has class 5; image 40 is elsewhere.
IMAGES = np.array([10, 20, 30, 70])
BOXES = np.array([10, 20, 30, 30, 30, 40, 40])
LABELS = np.array([5, 5, 5, 2, 2, 2, 9])


def stream(seed=3, images=IMAGES):
    return ClassStream(seed, (0, 1), images, BOXES, LABELS)


def test_classes_are_equally_frequent_and_so_are_the_images_of_a_class():
    found = Counter(stream().take(600).tolist())
    # Half of the draws are of class 2, which is image 30's; the others are of class 5.
    assert found == {30: 300 + 100, 10: 100, 20: 100}


def test_every_round_draws_every_class_and_no_image_twice_before_the_others():
    rounds = stream().take(30).reshape(-1, 2)
    assert all(30 in pair for pair in rounds)
    of_class = [(set(pair.tolist()) - {30} or {30}).pop() for pair in rounds]
    assert all(len(set(of_class[start : start + 3])) == 3 for start in range(0, 15, 3))


def test_it_resumes_anywhere_and_depends_on_the_seed():
    whole, resumed = stream().take(50), stream()
    resumed.skip(17)
    assert np.array_equal(np.concatenate([resumed.take(5), resumed.take(28)]), whole[17:])
    assert not np.array_equal(stream(seed=4).take(50), whole)
    assert stream().take(0).shape == (0,)


def test_images_without_any_box_are_drawn_where_there_are_no_others():
    assert set(stream(images=np.array([70, 80])).take(9).tolist()) == {70, 80}
