import math

import pytest
import torch
from torch.nn import functional

from gbss.errors import GbssError
from gbss.imbalance.gradients import gradient_matrix
from gbss.losses.softmax_focal import SoftmaxFocalLoss

LOGITS = torch.tensor([[math.log(3), 0.0, math.log(4)], [0.0, 0.0, math.log(2)]])
LABELS = torch.tensor([0, 2])


def test_by_hand():
    # p_y = 3/8 and 1/2: (5/8)^2 · log(8/3) + 0.3 · (1/2)^2 · log 2, over 5.
    expected = (25 / 64 * math.log(8 / 3) + 0.3 * 0.25 * math.log(2)) / 5
    loss = SoftmaxFocalLoss(gamma=2.0)
    found = loss(LOGITS, LABELS, torch.tensor([1.0, 0.3]), avg_factor=5.0)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_exponent_zero_is_cross_entropy():
    found = SoftmaxFocalLoss(gamma=0.0)(LOGITS, LABELS)
    assert found.item() == pytest.approx(functional.cross_entropy(LOGITS, LABELS).item(), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.5])
def test_its_gradients_are_those_of_the_gradient_matrix(gamma):
    generator = torch.Generator().manual_seed(4)
    logits = 2 * torch.randn(100, 7, generator=generator)
    logits.requires_grad_()
    labels = torch.randint(7, (100,), generator=generator)
    weights = torch.rand(100, generator=generator)
    loss = SoftmaxFocalLoss(gamma=gamma)(logits, labels, weights)
    (gradients,) = torch.autograd.grad(loss, logits)
    expected = torch.zeros(7, 7).index_add_(0, labels, gradients).T
    found = gradient_matrix(logits.detach(), labels, weights, focal_gamma=gamma)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
def test_saturated_probabilities_have_a_finite_loss_and_gradient(gamma):
    logits = torch.tensor([[60.0, -60.0], [60.0, -60.0]], requires_grad=True)
    loss = SoftmaxFocalLoss(gamma)(logits, torch.tensor([0, 1]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(60.0)
    assert gradient.isfinite().all()


def test_reductions_and_an_empty_batch():
    loss = SoftmaxFocalLoss()
    each = loss(LOGITS, LABELS, reduction_override="none")
    assert each.shape == (2,)
    assert loss(LOGITS, LABELS, reduction_override="sum").item() == pytest.approx(each.sum().item())
    assert loss(LOGITS[:0], LABELS[:0]).item() == 0
    assert SoftmaxFocalLoss(loss_weight=3.0)(LOGITS, LABELS) == pytest.approx(3 * each.mean())
    with pytest.raises(GbssError, match=r"found: +-1"):
        SoftmaxFocalLoss(gamma=-1)
