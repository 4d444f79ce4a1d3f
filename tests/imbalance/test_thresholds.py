"""Class-wise thresholds and the running mean scores behind the released code's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gbss.errors import GbssError
from gbss.imbalance.thresholds import ClassThresholds

CLASSES = 4
WEIGHTS = torch.tensor([0.6, 1.2, 1.5, 4.0, 1.0])


def test_threshold_is_base_over_weight_between_floor_and_base() -> None:
    thresholds = ClassThresholds(CLASSES, warmup=10)(WEIGHTS, 10)
    torch.testing.assert_close(thresholds, torch.tensor([0.9, 0.75, 0.6, 0.5]))


def test_another_base_and_floor() -> None:
    module = ClassThresholds(CLASSES, warmup=0, base=0.7, floor=0.3)
    torch.testing.assert_close(module(WEIGHTS, 0), torch.tensor([0.7, 0.7 / 1.2, 0.7 / 1.5, 0.3]))


@pytest.mark.parametrize("variant", ["paper", "release"])
def test_warmup_no_weights_and_no_detections_give_the_base(variant: str) -> None:
    module = ClassThresholds(CLASSES, warmup=10, variant=variant)
    base = torch.full((CLASSES,), 0.9)
    assert torch.equal(module(WEIGHTS, 9), base)
    assert torch.equal(module(None, 10), base)


def test_weights_that_are_not_positive_give_the_base() -> None:
    weights = torch.tensor([-3.0, 0.0, 1.2, -1e-12, 5.0], dtype=torch.float64)
    thresholds = ClassThresholds(CLASSES, warmup=0)(weights, 0)
    torch.testing.assert_close(thresholds, torch.tensor([0.9, 0.9, 0.75, 0.9]))


def detections(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Scores and labels of one step; class 3 is rare."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (count,), generator=generator) // 3
    scores = 0.05 + 0.95 * torch.rand(count, generator=generator) ** (1 + labels)
    return scores, labels


class ReleasedScores:
    """The released code's loop over detections."""

    def __init__(self) -> None:
        self.mean = [0.0] * CLASSES
        self.count = [0] * CLASSES

    def update(self, scores: Tensor, labels: Tensor) -> None:
        for score, label in zip(scores.tolist(), labels.tolist(), strict=True):
            if self.count[label] < 1000:
                self.mean[label] += score / 1000
            else:
                self.mean[label] = 0.999 * self.mean[label] + 0.001 * score
            self.count[label] += 1

    def thresholds(self, weights: Tensor | None) -> Tensor:
        average = sum(self.mean) / CLASSES
        values = [0.9 * mean / average for mean in self.mean]
        if weights is not None:
            values = [min(v, 0.9 / float(w)) for v, w in zip(values, weights[:-1], strict=True)]
        return torch.tensor(values).clamp(0.5, 0.9)


def test_release_thresholds_equal_the_loop_over_detections() -> None:
    module = ClassThresholds(CLASSES, warmup=0, variant="release")
    plain = ReleasedScores()
    # Small steps, one that crosses the first 1000 of a class, one far beyond, an empty one.
    for seed, count in enumerate([3, 2900, 700, 0, 4100, 1]):
        scores, labels = detections(count, seed)
        module.update(scores, labels)
        plain.update(scores, labels)
        torch.testing.assert_close(module.score_sum, torch.tensor(plain.mean), rtol=1e-5, atol=0)
        assert module.seen.tolist() == plain.count
        for weights in (None, WEIGHTS):
            found = module(weights, 0)
            torch.testing.assert_close(found, plain.thresholds(weights), rtol=1e-5, atol=0)
    assert len(module(WEIGHTS, 0).unique()) == CLASSES


def test_mean_scores_are_true_means_from_the_first_detection_on() -> None:
    module = ClassThresholds(CLASSES, warmup=0)
    module.update(torch.tensor([0.3, 0.8, 0.5]), torch.tensor([1, 1, 3]))
    assert module.mean_scores()[[1, 3]].tolist() == pytest.approx([0.55, 0.5])
    assert module.mean_scores()[[0, 2]].isnan().all()
    # In the paper's variant the scores do not touch the thresholds.
    torch.testing.assert_close(module(WEIGHTS, 0), torch.tensor([0.9, 0.75, 0.6, 0.5]))


def test_thresholds_resume_from_their_state_to_the_last_digit() -> None:
    whole = ClassThresholds(CLASSES, warmup=0, variant="release")
    whole.update(*detections(2000, 1))
    resumed = ClassThresholds(CLASSES, warmup=0, variant="release")
    resumed.load_state_dict(whole.state_dict())
    for module in (whole, resumed):
        module.update(*detections(1500, 2))
    assert torch.equal(whole(WEIGHTS, 1), resumed(WEIGHTS, 1))
    assert torch.equal(whole.score_sum, resumed.score_sum)


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"warmup": -3}, "warmup"), ({"base": 1.2}, "base"), ({"base": 0.4}, "floor")],
)
def test_impossible_settings_are_errors(setting: dict[str, float], message: str) -> None:
    with pytest.raises(GbssError, match=f"ClassThresholds: {message}"):
        ClassThresholds(CLASSES, **{"warmup": 0, **setting})
