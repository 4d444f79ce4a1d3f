from types import SimpleNamespace

import pytest
import torch

from gbss.detection.method_hooks import ResampleHook
from gbss.detection.repeats import UnlabeledRepeats, labeled_boxes, labeled_copies
from gbss.imbalance.resampling import PseudoLabelPool


class Labeled:
    """Eight images with boxes of class 0; the fifth has one of class 2 and a crowd of class 1."""

    def __init__(self):
        self.metainfo = {"classes": ("a", "b", "c")}

    def __len__(self):
        return 8

    def get_data_info(self, index):
        boxes = [{"bbox_label": 0, "ignore_flag": 0}] * 2
        if index == 4:
            boxes = [
                *boxes,
                {"bbox_label": 2, "ignore_flag": 0},
                {"bbox_label": 1, "ignore_flag": 1},
            ]
        return {"instances": boxes}


def pool_with(*entries):
    """(image, class, margin) of five images."""
    pool = PseudoLabelPool(5, 3)
    images, labels, margins = zip(*entries, strict=True) if entries else ((), (), ())
    visited = torch.arange(5)
    pool.add(
        7,
        visited,
        torch.tensor(images, dtype=torch.long),
        torch.tensor(labels, dtype=torch.long),
        0.5 + torch.tensor(margins),
        torch.full((3,), 0.5),
    )
    pool.exchange()
    pool.merge()
    return pool


def test_boxes_of_crowds_do_not_count():
    images, labels = labeled_boxes(Labeled())
    assert len(images) == 17
    assert (images[labels == 2].tolist(), labels.max().item(), (labels == 1).sum()) == ([4], 2, 0)


def test_labeled_copies_by_hand():
    # sqrt(1 / (1/8)) = 2.83, rounded up
    assert labeled_copies(Labeled(), 1.0).tolist() == [1, 1, 1, 1, 3, 1, 1, 1]


def test_crs_by_hand():
    pool = pool_with((1, 1, 0.25), (3, 0, 0.4), (3, 2, 0.1))
    repeats = UnlabeledRepeats(Labeled(), "crs", 100.0, 200, "paper")
    copies, by_class = repeats(pool, 100)
    # λ = 50; of 8 + 2 images 9, 1 and 2 have the classes: r = sqrt(50 / f)
    expected = [(50 / 0.9) ** 0.5, (50 / 0.1) ** 0.5, (50 / 0.2) ** 0.5]
    assert by_class.tolist() == pytest.approx(expected)
    # image 1: 22.4 · 0.25 = 5.6; image 3: max(7.45 · 0.4, 15.8 · 0.1) = 2.98
    assert copies.tolist() == [1, 6, 1, 3, 1]


def test_rfs_by_hand():
    pool = pool_with((1, 1, 0.0), (3, 0, 0.4), (2, 0, 0.2))
    copies, by_class = UnlabeledRepeats(Labeled(), "rfs", 0.9, 200, "paper")(pool, 100)
    # f = 2/5 and 1/5: sqrt(0.9 / f) = 1.5 and 2.12
    assert by_class.tolist() == pytest.approx([1.5, 4.5**0.5, 1.0])
    assert copies.tolist() == [1, 3, 2, 2, 1]


@pytest.mark.parametrize("strategy", ["rfs", "crs"])
def test_without_any_pseudo_label_nothing_is_repeated(strategy):
    copies, by_class = UnlabeledRepeats(Labeled(), strategy, 0.5, 200, "paper")(pool_with(), 150)
    assert copies.tolist() == [1] * 5
    assert by_class.isfinite().all()


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        # The paper's: what is known and λ now. Merged at 4, 6, 8, 12; changed at 6 and 12.
        ("paper", {6: (6, True), 12: (12, True)}),
        # The released code's: of the merge before, so at first without any pseudo label.
        ("release", {6: (4, False), 12: (8, True)}),
    ],
)
def test_changes_come_from_the_right_merge(monkeypatch, variant, expected):
    pool, seen, changes = PseudoLabelPool(5, 3), {}, []
    method = SimpleNamespace(pool=pool, class_repeats=torch.ones(3))
    sampler = SimpleNamespace(change=lambda batch, copies: changes.append(batch))
    runner = SimpleNamespace(
        model=SimpleNamespace(method=method),
        train_dataloader=SimpleNamespace(sampler=sampler),
        max_iters=100,
    )
    hook = ResampleHook("crs", 0.5, merge_interval=4, interval=6, delay=3, variant=variant)

    def repeats(pool, iteration):
        seen[runner.iter + 1] = (iteration, len(pool.images) > 0)
        return torch.ones(5), torch.ones(3)

    hook.repeats = repeats
    one = torch.tensor([2])
    for runner.iter in range(13):
        if runner.iter == 4:  # after the first merge
            pool.add(4, one, one - 2, one - 1, torch.tensor([0.9]), torch.full((3,), 0.5))
        hook.after_train_iter(runner, runner.iter)
    assert seen == expected
    assert changes == [9, 15]
