"""The pool of pseudo labels and the repeat factors made of it, against plain dictionaries."""

from __future__ import annotations

import math
import random

import pytest
import torch

from gbss.errors import GbssError
from gbss.imbalance.resampling import (
    PseudoLabelPool,
    class_frequencies,
    class_repeat_factors,
    copies,
    crs_repeat_factors,
    rfs_repeat_factors,
    sampling_threshold,
)

IMAGES, CLASSES = 23, 5
THRESHOLDS = torch.tensor([0.9, 0.5, 0.7, 0.6, 0.8])
Entries = dict[int, list[tuple[int, float]]]


def visit(pool: PseudoLabelPool, entries: Entries, iteration: int, images: list[int]) -> None:
    """Adds seeded random detections on ``images`` to the pool and to a plain dictionary."""
    draw = random.Random(iteration)
    rows: list[tuple[int, int, float]] = []
    for slot, image in enumerate(images):
        found = [(draw.randrange(CLASSES), draw.random()) for _ in range(draw.randrange(6))]
        rows += [(slot, label, score) for label, score in found]
        entries[image] = [
            (label, score - float(THRESHOLDS[label]))
            for label, score in found
            if score >= THRESHOLDS[label]
        ]
    draw.shuffle(rows)
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    pool.add(
        iteration,
        torch.tensor(images),
        torch.tensor(columns[0], dtype=torch.long),
        torch.tensor(columns[1], dtype=torch.long),
        torch.tensor(columns[2]),
        THRESHOLDS,
    )


def best(entries: Entries) -> dict[tuple[int, int], float]:
    pairs: dict[tuple[int, int], float] = {}
    for image, labels in entries.items():
        for label, margin in labels:
            pairs[image, label] = max(pairs.get((image, label), 0.0), margin)
    return dict(sorted(pairs.items()))


def contents(pool: PseudoLabelPool) -> dict[tuple[int, int], float]:
    keys = zip(pool.images.tolist(), pool.labels.tolist(), strict=True)
    return dict(zip(keys, pool.margins.tolist(), strict=True))


def filled() -> tuple[PseudoLabelPool, Entries]:
    pool, entries = PseudoLabelPool(IMAGES, CLASSES), dict[int, list[tuple[int, float]]]()
    draw = random.Random(99)
    for iteration in range(40):
        # With repetition: an image can be twice in one batch, and then its later visit counts.
        visit(pool, entries, iteration, [draw.randrange(IMAGES - 2) for _ in range(3)])
        if iteration % 7 == 0:
            pool.exchange()
        if iteration in (7, 21, 22):
            pool.exchange()
            pool.merge()
    pool.exchange()
    pool.merge()
    return pool, entries


def test_pool_holds_the_last_visit_of_each_image() -> None:
    pool, entries = filled()
    assert len(contents(pool)) > 10
    assert contents(pool) == pytest.approx(best(entries))
    assert list(contents(pool)) == list(best(entries))


def test_a_visit_without_pseudo_labels_empties_the_image() -> None:
    pool = PseudoLabelPool(IMAGES, CLASSES)
    none = torch.zeros(0, dtype=torch.long)
    one = torch.tensor([4])
    pool.add(
        3, one, torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([0.8, 0.6]), THRESHOLDS
    )
    pool.exchange()
    pool.merge()
    assert contents(pool) == pytest.approx({(4, 1): 0.3})
    pool.add(5, one, none, none, torch.zeros(0), THRESHOLDS)
    assert len(contents(pool)) == 1
    pool.exchange()
    pool.merge()
    assert contents(pool) == {}


def test_a_score_equal_to_the_threshold_is_kept_with_no_margin() -> None:
    pool = PseudoLabelPool(IMAGES, CLASSES)
    pool.add(
        0, torch.tensor([9]), torch.tensor([0]), torch.tensor([1]), torch.tensor([0.5]), THRESHOLDS
    )
    pool.exchange()
    pool.merge()
    assert contents(pool) == {(9, 1): 0.0}


def test_an_untouched_pool_repeats_nothing() -> None:
    pool = PseudoLabelPool(IMAGES, CLASSES)
    pool.exchange()
    pool.merge()
    labeled = torch.tensor([3, 0, 1, 5, 2])
    frequencies = class_frequencies(labeled, 8, pool)
    torch.testing.assert_close(frequencies, labeled.double() / 8)
    factors = crs_repeat_factors(pool, class_repeat_factors(frequencies, 0.5))
    assert copies(factors).tolist() == [1] * IMAGES


@pytest.mark.parametrize(("variant", "guard"), [("paper", 0.0), ("release", 0.01)])
def test_class_frequencies_count_images_not_boxes(variant: str, guard: float) -> None:
    pool, entries = filled()
    labeled = torch.tensor([3, 0, 1, 5, 2])
    with_labels = sum(bool(labels) for labels in entries.values())
    assert pool.images_with_labels() == with_labels < len(entries)
    expected = [
        (int(labeled[c]) + sum(any(k == c for k, _ in v) for v in entries.values()))
        / (8 + with_labels + guard)
        for c in range(CLASSES)
    ]
    found = class_frequencies(labeled, 8, pool, variant=variant)
    assert found.tolist() == pytest.approx(expected)


def test_crs_repeat_factors_equal_the_plain_formula() -> None:
    pool, entries = filled()
    frequencies = torch.tensor([0.02, 0.3, 0.0, 0.007, 0.001]).double()
    threshold = 0.4
    found = crs_repeat_factors(pool, class_repeat_factors(frequencies, threshold))
    factors = [max(1, math.sqrt(threshold / f)) if f else 1 for f in frequencies.tolist()]
    expected = [
        max([1.0, *(factors[label] * margin for label, margin in entries.get(image, []))])
        for image in range(IMAGES)
    ]
    assert found.tolist() == pytest.approx(expected)
    assert max(expected) > 2
    assert copies(found).tolist() == [math.ceil(value) for value in found.tolist()]


def test_repeat_factor_by_hand() -> None:
    # An image is repeated only if λ / f > 1 / d²: with λ = 0.5 and d = 0.1 for f < 0.005.
    pool = PseudoLabelPool(2, 2)
    pool.add(
        0,
        torch.tensor([0, 1]),
        torch.tensor([0, 1]),
        torch.tensor([0, 1]),
        torch.tensor([0.6, 0.6]),
        torch.tensor([0.5, 0.5]),
    )
    pool.exchange()
    pool.merge()
    factors = crs_repeat_factors(pool, class_repeat_factors(torch.tensor([0.0051, 0.0012]), 0.5))
    assert factors.tolist() == pytest.approx([1.0, math.sqrt(0.5 / 0.0012) / 10], rel=1e-5)
    assert copies(factors).tolist() == [1, 3]


def test_sampling_threshold_is_a_ramp_with_a_cap() -> None:
    assert sampling_threshold(0, 1000, 0.5) == 0
    assert sampling_threshold(478, 1000, 0.5) == pytest.approx(0.239)
    assert sampling_threshold(1000, 1000, 0.5) == 0.5
    assert sampling_threshold(1400, 1000, 0.5) == 0.5


def test_rfs_repeat_factors_by_hand() -> None:
    # Class 0 in 4 of 5 images, class 1 in one (twice), class 3 in two; image 4 has no box.
    images = torch.tensor([0, 1, 1, 1, 2, 3, 3])
    labels = torch.tensor([0, 0, 1, 1, 0, 3, 0])
    found = rfs_repeat_factors(images, labels, 5, 4, threshold=0.45)
    rare = math.sqrt(0.45 / 0.2)
    assert found.tolist() == pytest.approx([1, rare, 1, rare, 1])
    assert copies(found).tolist() == [1, 2, 1, 2, 1]


def test_rfs_on_a_pools_images() -> None:
    pool, entries = filled()
    found = rfs_repeat_factors(pool.images, pool.labels, IMAGES, CLASSES, threshold=0.9)
    count = [sum(any(k == c for k, _ in v) for v in entries.values()) for c in range(CLASSES)]
    for image in range(IMAGES):
        classes = {label for label, _ in entries.get(image, [])}
        expected = max([1.0, *(math.sqrt(0.9 * IMAGES / count[c]) for c in classes)])
        assert float(found[image]) == pytest.approx(expected)


def test_pool_resumes_with_what_was_exchanged_but_not_merged() -> None:
    whole, entries = filled()
    visit(whole, entries, 50, [3, 4, 22])
    whole.exchange()
    resumed = PseudoLabelPool(IMAGES, CLASSES)
    resumed.load_state_dict(whole.state_dict())
    for pool in (whole, resumed):
        visit(pool, entries, 51, [4, 0, 19])
        pool.exchange()
        pool.merge()
    for name in ("images", "labels", "margins", "pending"):
        assert torch.equal(getattr(whole, name), getattr(resumed, name)), name
    assert contents(resumed) == pytest.approx(best(entries))


def test_a_million_images_take_ten_bytes_per_image_and_class() -> None:
    pool = PseudoLabelPool(1_000_000, 365)
    images = torch.arange(999_983, 0, -50)
    scores = torch.linspace(0.5, 1, len(images))
    slots = torch.arange(len(images))
    pool.add(7, images, slots, (slots * 7) % 365, scores, torch.full((365,), 0.5))
    pool.exchange()
    pool.merge()
    arrays = (pool.images, pool.labels, pool.margins)
    assert sum(array.numel() * array.element_size() for array in arrays) == 10 * len(images)
    assert crs_repeat_factors(pool, torch.full((365,), 9.0)).sum() > 1_000_000


def test_impossible_settings_are_errors() -> None:
    with pytest.raises(GbssError, match=r"sampling_threshold: cap\n.*found: +-0\.5"):
        sampling_threshold(1, 10, -0.5)
    with pytest.raises(GbssError, match="sampling_threshold: total"):
        sampling_threshold(1, 0, 0.5)
    with pytest.raises(GbssError, match="PseudoLabelPool: images"):
        PseudoLabelPool(0, 3)
    with pytest.raises(GbssError, match="class_repeat_factors: threshold"):
        rfs_repeat_factors(torch.tensor([0]), torch.tensor([0]), 1, 1, threshold=-1)
