import math

import pytest
import torch
from torch.nn import functional

from gbss.errors import GbssError
from gbss.losses.c2am import C2AMLoss

NORMS = torch.tensor([1.0, math.exp(-math.pi), 2.0])  # the last one is the background's


def made(**settings):
    loss = C2AMLoss(**settings)
    loss.look_at(NORMS[:, None])
    return loss


def test_by_hand():
    # log(1 / exp(-π)) = π, so α = π / 6 / 1 gives a margin of π / 6 from class 0 to class 1, whose
    # angle is π / 3: cos π/2 = 0 in the place of 1/2. The background keeps its cosine of -1/2.
    loss = made(scale=2.0, alpha=math.pi / 6)
    logits = torch.tensor([[2 * 0.8, 2 * 0.5, 2 * -0.5]])
    found = loss(logits, torch.tensor([0]), avg_factor=4)
    terms = [math.exp(1.6), math.exp(0.0), math.exp(-1.0)]
    assert found.item() == pytest.approx(-math.log(terms[0] / sum(terms)) / 4, rel=1e-6)
    # No margin towards a class with a larger norm.
    back = loss(logits, torch.tensor([1]))
    expected = functional.cross_entropy(logits, torch.tensor([1]))
    assert back.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("background_margin", [False, True])
def test_a_batch_equals_the_plain_formulas(background_margin):
    generator = torch.Generator().manual_seed(8)
    weight = torch.randn(6, 3, generator=generator) * torch.tensor([9, 0.1, 3, 1, 20, 4.0])[:, None]
    features = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(6, (40,), generator=generator)
    loss = C2AMLoss(12.0, alpha=0.9, background_margin=background_margin)
    loss.look_at(weight)
    unit = functional.normalize(weight.double(), dim=1)
    cosines = functional.normalize(features, dim=1) @ unit.T
    found = loss(12 * cosines, labels, reduction_override="none").tolist()
    norms, clipped = weight.norm(dim=1).tolist(), 0
    for row, label, term in zip(cosines.tolist(), labels.tolist(), found, strict=True):
        others = 0.0
        for column in range(6):
            margin = max(0.0, 0.9 / math.pi * math.log(norms[label] / norms[column]))
            if not background_margin and 5 in (label, column):
                margin = 0.0
            angle = math.acos(row[column]) + margin
            clipped += angle > math.pi
            if column != label:
                others += math.exp(12 * math.cos(min(angle, math.pi)))
        own = math.exp(12 * row[label])
        assert term == pytest.approx(-math.log(own / (own + others)), rel=1e-5, abs=1e-9)
    assert clipped


def test_alpha_0_is_cross_entropy_of_the_cosine_classifier():
    logits, labels = 30 * torch.rand(5, 3), torch.tensor([0, 1, 2, 1, 0])
    expected = functional.cross_entropy(logits, labels)
    torch.testing.assert_close(made(alpha=0.0)(logits, labels), expected)


def test_norms_have_no_gradient_and_are_not_kept():
    weight = torch.randn(3, 4, requires_grad=True)
    loss = C2AMLoss()
    loss.look_at(weight)
    assert not loss.norms.requires_grad
    assert not loss.state_dict()


def test_a_loss_that_saw_no_classifier_says_so():
    with pytest.raises(GbssError, match="look_at"):
        C2AMLoss()(torch.zeros(1, 3), torch.tensor([0]))
    with pytest.raises(GbssError, match="alpha"):
        C2AMLoss(alpha=-1)
