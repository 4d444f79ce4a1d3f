from itertools import islice
from types import SimpleNamespace

import pytest
import torch

from gbss.detection import sampler as sampler_module
from gbss.detection.sampler import MixedSampler
from gbss.errors import GbssError


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


@pytest.mark.parametrize("drawn", [False, True])
def test_parts_do_not_depend_on_the_processes_that_train_them(monkeypatch, drawn):
    settings = {"labeled": 1, "unlabeled": 2, "seed": 3, "parts": 4, "drawn": drawn}
    alone, shares = batches(MixedSampler(SQUARE, **settings), 12, 12), []
    for rank in (0, 1):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, 2))
        sampler = MixedSampler(SQUARE, **settings)
        shares.append(batches(sampler, 12, 6))
        resumed = MixedSampler(SQUARE, **settings)
        resumed.skip(7 * 6)
        assert batches(resumed, 5, 6) == shares[-1][7:]
    for whole, first, second in zip(alone, *shares, strict=True):
        assert whole == first + second


@pytest.mark.parametrize("sources", [([], [False]), ([True], []), ([True],)])
def test_sources_without_images_are_refused(sources):
    with pytest.raises(ValueError, match="expected a labeled and an unlabeled source"):
        MixedSampler(Images(*sources), labeled=1, unlabeled=1, seed=0)


def test_a_seed_is_needed():
    with pytest.raises(ValueError, match="needs a seed"):
        MixedSampler(SimpleNamespace(), labeled=1, unlabeled=1, seed=None)


def test_without_repeats_draws_stay_those_of_published_runs():
    draws = list(islice(MixedSampler(MIXED, labeled=1, unlabeled=4, seed=8), 300))
    assert [index for index, _ in draws[:15]] == [
        3,
        28,
        13,
        10,
        25,
        2,
        19,
        24,
        22,
        12,
        8,
        14,
        16,
        27,
        21,
    ]
    assert sum(index * place for place, (index, _) in enumerate(draws, 1)) == 704745
    assert sum(seed * place for place, (_, seed) in enumerate(draws, 1)) == 95244268611747


class Annotated(Images):
    """Images whose first source has boxes: class 1 in one image of eight, class 0 in the others."""

    def __init__(self):
        super().__init__([False] * 8, [False] * 3)
        self.datasets = (self, self.datasets[1])
        self.metainfo = {"classes": ("common", "rare")}

    def __len__(self):
        return 8

    def get_data_info(self, index):
        label = int(index == 5)
        boxes = [
            {"bbox_label": 1 - label, "ignore_flag": 1},
            {"bbox_label": label, "ignore_flag": 0},
        ]
        return super().get_data_info(index) | {"instances": boxes}


def test_labeled_images_are_repeated_by_their_rarest_class():
    sampler = MixedSampler(Annotated(), 1, 1, seed=3, labeled_threshold=0.5)
    labeled = [batch[0][0] for batch in batches(sampler, 18, 2)]
    # sqrt(0.5 / (1/8)) = 2 copies of image 5, one of each other
    assert sorted(labeled[:9]) == sorted(labeled[9:]) == [0, 1, 2, 3, 4, 5, 5, 6, 7]


def copies_of(*values):
    return torch.tensor(values, dtype=torch.long)


TRIPLE = copies_of(1, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2)
FIRST = copies_of(4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)


def test_changed_repeats_hold_from_their_batch_on_and_keep_the_place():
    plain = batches(MixedSampler(SQUARE, 1, 2, seed=4), 3, 3)
    sampler = MixedSampler(SQUARE, 1, 2, seed=4)
    sampler.change(3, TRIPLE)
    found = batches(sampler, 3 + 14, 3)
    assert found[:3] == plain
    unlabeled = [index - 5 for batch in found for index, _ in batch[1:]]
    # The permutation in which the change falls: 14 draws by the new copies, those before included.
    expected = [image for image, count in enumerate(TRIPLE.tolist()) for _ in range(count)]
    assert sorted(unlabeled[:14]) == sorted(unlabeled[14:28]) == expected


def test_an_image_that_was_drawn_more_often_than_it_now_stands_waits_for_the_next_permutation():
    sampler = MixedSampler(SQUARE, 1, 2, seed=4)
    sampler.change(0, FIRST)
    sampler.change(6, copies_of(*[1] * 11))
    unlabeled = [index - 5 for batch in batches(sampler, 30, 3) for index, _ in batch[1:]]
    before = unlabeled[:12]
    rest = [image for image in range(11) if image not in before]
    assert sorted(unlabeled[12 : 12 + len(rest)]) == rest
    after = unlabeled[12 + len(rest) :]
    assert sorted(after[:11]) == sorted(after[11:22]) == list(range(11))


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("position", [2, 5, 17, 30])
def test_a_resumed_sampler_with_changes_sees_what_an_uninterrupted_one_sees(drawn, position):
    def build():
        return MixedSampler(MIXED, labeled=1, unlabeled=4, seed=8, drawn=drawn)

    def change_at(sampler, batch):
        if batch == 1:
            sampler.change(5, torch.arange(20) % 3 + 1)
        if batch == 12:
            sampler.change(17, torch.arange(20) % 4 + 1)

    def continued(sampler, start):
        draws = iter(sampler)
        for batch in range(start, 40):
            yield [next(draws) for _ in range(5)]
            change_at(sampler, batch)

    whole = list(continued(build(), 0))
    cut = build()
    for batch in range(position):
        change_at(cut, batch)
    resumed = build()
    resumed.load_state_dict(cut.state_dict())
    resumed.skip(position * 5)
    assert list(continued(resumed, position)) == whole[position:]


def test_a_change_that_comes_too_late_is_an_error():
    sampler = MixedSampler(SQUARE, 1, 2, seed=4)
    draws = iter(sampler)
    for _ in range(10):
        next(draws)
    sampler.change(4, TRIPLE)
    with pytest.raises(GbssError, match=r"batches up to 3(.|\n)*fewer loading processes"):
        sampler.change(3, FIRST)


def test_a_change_that_changes_nothing_leaves_the_order():
    sampler = MixedSampler(SQUARE, 1, 2, seed=4)
    sampler.change(2, copies_of(*[1] * 11))
    assert sampler.state_dict() == {"changes": {}}


@pytest.mark.parametrize("drawn", [False, True])
def test_processes_share_one_order_without_gaps_or_doubles(monkeypatch, drawn):
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, 2))
        sampler = MixedSampler(SQUARE, labeled=1, unlabeled=3, seed=3, drawn=drawn)
        sampler.change(4, TRIPLE)
        parts.append(batches(sampler, 40, 4))
    dealt = [
        [index - 5 for batch in pair for index, _ in batch if index >= 5]
        for pair in zip(*parts, strict=True)
    ]
    before = sum(map(len, dealt[:4])) // 11 * 11  # whole permutations before the change
    unlabeled = [index for batch in dealt for index in batch]
    assert sorted(unlabeled[:11]) == list(range(11))
    expected = [image for image, count in enumerate(TRIPLE.tolist()) for _ in range(count)]
    for start in (before, before + 14, before + 28):
        assert sorted(unlabeled[start : start + 14]) == expected


def test_a_drawn_ratio_is_binomial_with_one_of_each_source():
    sampler = MixedSampler(SQUARE, labeled=1, unlabeled=4, seed=6, drawn=True)
    labeled = [sum(index < 5 for index, _ in batch) for batch in batches(sampler, 4000, 5)]
    assert {1, 2, 3} <= set(labeled) <= {1, 2, 3, 4}
    # E[min(max(Binomial(5, 0.2), 1), 4)] = 1.327; three standard errors are 0.03
    assert sum(labeled) / 4000 == pytest.approx(1.327, abs=0.03)


def test_an_unlabeled_set_smaller_than_a_batch_repeats_within_it():
    found = batches(MixedSampler(Images([False] * 2, [False] * 3), 1, 7, seed=2), 3, 8)
    unlabeled = [index for batch in found for index, _ in batch[1:]]
    assert all(sorted(unlabeled[start : start + 3]) == [2, 3, 4] for start in range(0, 21, 3))


def test_labeled_images_by_class(monkeypatch):
    boxes = torch.tensor([0, 1, 2, 3, 4, 4]), torch.tensor([1, 1, 1, 1, 1, 0])
    monkeypatch.setattr(sampler_module, "labeled_boxes", lambda dataset: boxes)
    settings = {"labeled": 2, "unlabeled": 3, "seed": 4, "labeled_by_class": True}
    whole = batches(MixedSampler(SQUARE, **settings), 50, 5)
    labeled = [index for batch in whole for index, _ in batch[:2]]
    assert labeled.count(4) == 50 + 10
    assert all(index >= 5 for batch in whole for index, _ in batch[2:])
    resumed = MixedSampler(SQUARE, **settings)
    resumed.skip(20 * 5)
    assert batches(resumed, 30, 5) == whole[20:]


def test_a_detector_without_unlabeled_images_gets_none():
    found = batches(MixedSampler(SQUARE, labeled=2, unlabeled=0, seed=4), 20, 2)
    assert {index for batch in found for index, _ in batch} == {0, 1, 2, 3, 4}
