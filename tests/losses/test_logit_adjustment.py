import math

import pytest
import torch
from torch.nn import functional

from gbss.errors import GbssError
from gbss.losses.logit_adjustment import LogitAdjustmentLoss

COUNTS = torch.tensor([30, 0, 9])
# One box for the class without any: shares 30/40, 1/40, 9/40; the background's is 1/3.
PRIOR = [0.75, 0.025, 0.225, 1 / 3]


def made(**settings):
    loss = LogitAdjustmentLoss(3, **settings)
    loss.set_prior(COUNTS)
    return loss


def test_by_hand():
    # With equal logits p is π / Σπ, Σπ = 4/3 with the background: -log(0.75 · 3/4), over 2.
    found = made()(torch.zeros(1, 4), torch.tensor([0]), avg_factor=2)
    assert found.item() == pytest.approx(-math.log(0.75 * 0.75) / 2, rel=1e-6)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_both_forms_equal_the_plain_formulas(tau):
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(8, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 3, 1, 0, 2])
    found = made(tau=tau)(logits, labels, reduction_override="none")
    scores = made(tau=tau, form="post_hoc").final_logits(logits).softmax(1)
    for row, label, term, score in zip(
        logits.tolist(), labels.tolist(), found.tolist(), scores.tolist(), strict=True
    ):
        up = [math.exp(z) * prior**tau for z, prior in zip(row, PRIOR, strict=True)]
        assert term == pytest.approx(-math.log(up[label] / sum(up)), rel=1e-6)
        down = [math.exp(z) / prior**tau for z, prior in zip(row, PRIOR, strict=True)]
        assert score == pytest.approx([each / sum(down) for each in down], rel=1e-6)


def test_the_post_hoc_form_trains_with_cross_entropy_and_has_plain_pseudo_labels():
    loss = made(form="post_hoc")
    logits, labels = torch.randn(5, 4), torch.tensor([3, 0, 1, 2, 1])
    torch.testing.assert_close(loss(logits, labels), functional.cross_entropy(logits, labels))
    torch.testing.assert_close(loss.get_activation(logits), logits.softmax(1))
    assert torch.equal(made().final_logits(logits), logits)


@pytest.mark.parametrize("form", ["loss", "post_hoc"])
def test_without_a_prior_it_is_refused(form):
    loss = LogitAdjustmentLoss(3, form=form)
    logits, labels = torch.randn(2, 4), torch.tensor([0, 3])
    for call in (lambda: loss(logits, labels), lambda: loss.final_logits(logits)):
        with pytest.raises(GbssError, match=r"no prior(.|\n)*set_prior"):
            call()
    loss.load_state_dict({}, strict=False)
    with pytest.raises(GbssError, match="no prior"):
        loss(logits, labels)
    # A checkpoint knows it.
    loss.load_state_dict(made(form=form).state_dict())
    expected = made(form=form)(logits, labels)
    torch.testing.assert_close(loss(logits, labels), expected)


def test_equally_frequent_classes_give_cross_entropy():
    loss = LogitAdjustmentLoss(3, tau=1.7)
    loss.set_prior(torch.tensor([12, 12, 12]))
    assert loss.offsets.tolist() == pytest.approx([0] * 4, abs=1e-7)


def test_the_foreground_keeps_its_odds_in_the_mean():
    # A sample of class k with the optimal logits log p(k) - offset: odds against the background
    # add up to those of before.
    share = torch.tensor([0.6, 0.1, 0.3])
    loss = LogitAdjustmentLoss(3)
    loss.set_prior(share * 1000)
    assert (share * (-loss.offsets[:-1]).exp()).sum().item() == pytest.approx(1, rel=1e-5)


def test_other_backgrounds_and_floors():
    loss = made(background=1.0, floor=10)
    expected = [math.log(30 / 50), math.log(10 / 50), math.log(10 / 50), 0.0]
    assert loss.offsets.tolist() == pytest.approx(expected)
    for settings in ({"tau": -1}, {"floor": 0}, {"background": 0}, {"form": "posthoc"}):
        with pytest.raises(GbssError, match=next(iter(settings))):
            LogitAdjustmentLoss(3, **settings)
