from itertools import islice
from types import SimpleNamespace

import pytest

from gbss.detection import sampler as sampler_module
from gbss.detection.sampler import MixedSampler


class Images:
    """Two sources of images; ``portrait`` says which are higher than wide."""

    def __init__(self, *portrait):
        self.datasets = portrait
        self.flat = [flag for source in portrait for flag in source]

    def get_data_info(self, index):
        return {"height": 3 if self.flat[index] else 1, "width": 2}


SQUARE = Images([False] * 5, [False] * 11)
MIXED = Images([True, False, False] * 3, [False, True, False, False, True] * 4)


def batches(sampler, count, size):
    draws = list(islice(sampler, count * size))
    return [draws[start : start + size] for start in range(0, len(draws), size)]


def test_first_labeled_then_unlabeled_each_once_before_any_twice():
    found = batches(MixedSampler(SQUARE, labeled=2, unlabeled=3, seed=4), 10, 5)
    labeled = [index for batch in found for index, _ in batch[:2]]
    unlabeled = [index for batch in found for index, _ in batch[2:]]
    assert sorted(labeled[:5]) == sorted(labeled[5:10]) == [0, 1, 2, 3, 4]
    assert labeled[:5] != labeled[5:10]
    assert sorted(unlabeled[:11]) == list(range(5, 16))


@pytest.mark.parametrize("images", [SQUARE, MIXED])
def test_a_resumed_sampler_sees_what_an_uninterrupted_one_sees(images):
    whole = batches(MixedSampler(images, labeled=1, unlabeled=4, seed=8), 60, 5)
    resumed = MixedSampler(images, labeled=1, unlabeled=4, seed=8)
    resumed.skip(37 * 5)
    assert batches(resumed, 23, 5) == whole[37:]


def test_loading_seeds_differ_everywhere():
    draws = list(islice(MixedSampler(SQUARE, labeled=2, unlabeled=3, seed=4), 500))
    assert len({seed for _, seed in draws}) == 500


def test_another_seed_gives_another_order():
    one, two = (
        [index for index, _ in islice(MixedSampler(SQUARE, 2, 3, seed=seed), 50)] for seed in (4, 5)
    )
    assert one != two


def test_batches_hold_one_orientation_in_proportion():
    found = batches(MixedSampler(MIXED, labeled=1, unlabeled=4, seed=8), 400, 5)
    kinds = [{MIXED.flat[index] for index, _ in batch} for batch in found]
    assert all(len(kind) == 1 for kind in kinds)
    share = sum(True in kind for kind in kinds) / len(kinds)
    assert share == pytest.approx(11 / 29, abs=0.06)
    assert {index for batch in found for index, _ in batch} == set(range(29))


def test_orientations_are_ignored_where_one_source_lacks_one():
    images = Images([False, False], [True, False, True])
    found = batches(MixedSampler(images, labeled=1, unlabeled=2, seed=1), 30, 3)
    assert {index for batch in found for index, _ in batch} == {0, 1, 2, 3, 4}


def test_two_processes_share_the_draws_of_one(monkeypatch):
    alone = batches(MixedSampler(SQUARE, labeled=2, unlabeled=4, seed=3), 12, 6)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, 2))
        parts.append(batches(MixedSampler(SQUARE, labeled=1, unlabeled=2, seed=3), 12, 3))
    for whole, first, second in zip(alone, *parts, strict=True):
        index = [[draw[0] for draw in batch] for batch in (whole, first, second)]
        assert index[0] == index[1][:1] + index[2][:1] + index[1][1:] + index[2][1:]


@pytest.mark.parametrize("sources", [([], [False]), ([True], []), ([True],)])
def test_sources_without_images_are_refused(sources):
    with pytest.raises(ValueError, match="expected a labeled and an unlabeled source"):
        MixedSampler(Images(*sources), labeled=1, unlabeled=1, seed=0)


def test_a_seed_is_needed():
    with pytest.raises(ValueError, match="needs a seed"):
        MixedSampler(SimpleNamespace(), labeled=1, unlabeled=1, seed=None)
