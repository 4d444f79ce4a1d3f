import math

import pytest
import torch
from mmengine.registry import init_default_scope

from gbss.configs.detectors import small_backbone
from gbss.detection.calibration import PrototypeCalibration


@pytest.fixture
def calibration():
    init_default_scope("mmdet")
    torch.manual_seed(1)
    return PrototypeCalibration({"type": "ResNet", **small_backbone()}, 16, 4, [1, 3])


def test_scores_by_hand(calibration):
    # The mean of all descriptions is 0: class 1 points to (1, 0), class 0 to (-1, 0).
    calibration.learn(
        torch.tensor([[3.0, 1], [3, -1], [-6, 0], [0, 0]]), torch.tensor([1, 1, 0, 2])
    )
    seen = torch.tensor([[2.0, 0], [0, 5], [-1, 1], [2, 0], [2, 0], [2, 0]])
    scores = torch.tensor([0.4, 0.4, 0.4, 0.05, 0.4, 0.4])
    labels = torch.tensor([1, 1, 1, 1, 0, 3])
    found = calibration(seen, scores, labels)
    expected = [
        0.5 * 0.4 + 0.5,  # just like the class
        0.5 * 0.4,  # nothing like it
        0.5 * 0.4 - 0.5 * math.sqrt(0.5),
        0.05,  # too low to be changed
        0.4,  # a class with enough boxes
        0.4,  # a class that no labeled box shows
    ]
    assert found.tolist() == pytest.approx(expected)


def test_it_equals_the_plain_formula(calibration):
    generator = torch.Generator().manual_seed(5)
    known = torch.rand(30, 7, generator=generator) + 1  # all positive, as features are
    kinds = torch.randint(4, (30,), generator=generator)
    calibration.learn(known, kinds)
    seen, labels = torch.rand(9, 7, generator=generator) + 1, torch.tensor([1, 3] * 4 + [2])
    scores = torch.rand(9, generator=generator) * 0.9 + 0.06
    found = calibration(seen, scores, labels)
    for row, score, label, value in zip(seen, scores, labels, found, strict=True):
        prototype = known[kinds == label].mean(0) - known.mean(0)
        own = row - known.mean(0)
        cosine = (prototype @ own) / (prototype.norm() * own.norm())
        expected = 0.5 * score + 0.5 * cosine if label in (1, 3) else score
        assert value.item() == pytest.approx(expected.item(), abs=1e-5)


def test_regions_are_described_by_where_they_are(calibration):
    images = torch.zeros(2, 3, 64, 64)
    images[1, :, :, 32:] = 5 * torch.rand(3, 64, 32, generator=torch.Generator().manual_seed(6))
    boxes = [torch.tensor([[8.0, 8, 56, 56]]), torch.tensor([[0.0, 8, 24, 56], [40, 8, 64, 56]])]
    found = calibration.describe(images, boxes)
    assert found.shape == (3, 128)
    empty = calibration.describe(images, [torch.zeros(0, 4), torch.zeros(0, 4)])
    assert empty.shape == (0, 128)
    distances = (found - found[0]).norm(dim=1)
    assert distances[2] > 2 * distances[1]
    assert not any(parameter.grad is not None for parameter in calibration.parameters())
