from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from gbss.detection.bbox_head import AddedAtOnce, WeightedBBoxHead

N, CLASSES = 7, 3
LABELS = torch.tensor([0, 3, 2, 3, 3, 1, 2])
LABEL_WEIGHTS = torch.tensor([1.0, 0.7, 1.0, 0.1, 0.9, 1.0, 1.0])
FACTORS = torch.tensor([0.5, 1.25, 3.0, 1.25, 1.25, 0.8, 3.0])


@pytest.fixture
def head():
    torch.manual_seed(5)
    return WeightedBBoxHead(
        in_channels=2,
        roi_feat_size=1,
        fc_out_channels=4,
        num_classes=CLASSES,
        loss_cls={"type": "CrossEntropyLoss", "loss_weight": 1.0},
    )


def losses(head, logits):
    boxes = torch.randn(N, 4 * CLASSES, generator=torch.Generator().manual_seed(1))
    targets = torch.zeros(N, 4)
    rois = torch.zeros(N, 5)
    return head.loss(logits, boxes, rois, LABELS, LABEL_WEIGHTS, targets, torch.ones(N, 4))


def logits():
    found = 2 * torch.randn(N, CLASSES + 1, generator=torch.Generator().manual_seed(9))
    return found.requires_grad_()


def test_factors_multiply_each_samples_loss_and_nothing_else(head):
    z = logits()
    with head.shown_to(lambda *_: FACTORS):
        found = losses(head, z)
    plain = losses(head, z)
    terms = functional.cross_entropy(z, LABELS, reduction="none")
    expected = (FACTORS * LABEL_WEIGHTS * terms).sum() / N
    assert found["loss_cls"].item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.equal(found["loss_bbox"], plain["loss_bbox"])
    (gradient,) = torch.autograd.grad(found["loss_cls"], z, retain_graph=True)
    (by_hand,) = torch.autograd.grad(expected, z)
    torch.testing.assert_close(gradient, by_hand)


def test_any_loss_that_takes_weights_is_weighted(head):
    class Margin(torch.nn.Module):
        def forward(self, z, labels, weight, avg_factor, reduction_override=None):
            return (functional.multi_margin_loss(z, labels, reduction="none") * weight).sum()

    head.loss_cls = Margin()
    z = logits()
    with head.shown_to(lambda *_: FACTORS):
        found = losses(head, z)["loss_cls"]
    terms = functional.multi_margin_loss(z, LABELS, reduction="none")
    assert found.item() == pytest.approx((FACTORS * LABEL_WEIGHTS * terms).sum().item(), rel=1e-6)


def test_the_observer_sees_the_samples_without_factors_and_without_a_graph(head):
    seen, z = [], logits()
    with head.shown_to(lambda *samples: seen.append(samples) or FACTORS):
        losses(head, z)
    ((shown, labels, weights, gradients),) = seen
    assert gradients is None
    assert torch.equal(shown, z)
    assert not shown.requires_grad
    assert torch.equal(labels, LABELS)
    assert torch.equal(weights, LABEL_WEIGHTS)


def test_nobody_looks_outside_of_the_block_even_after_an_error(head):
    def broken(*_):
        raise ArithmeticError

    plain = losses(head, logits())["loss_cls"]
    with pytest.raises(ArithmeticError), head.shown_to(broken):
        losses(head, logits())
    assert torch.equal(losses(head, logits())["loss_cls"], plain)


def test_an_observer_without_factors_leaves_the_loss_to_the_last_bit(head):
    plain = losses(head, logits())["loss_cls"]
    with head.shown_to(lambda *_: None):
        assert torch.equal(losses(head, logits())["loss_cls"], plain)


def test_the_head_owns_no_more_than_mmdets():
    observed = {name.split(".")[0] for name in WeightedBBoxHead().state_dict()}
    assert observed == {"fc_cls", "fc_reg", "shared_fcs"}


def test_label_weights_are_summed_in_one_go():
    weights = LABEL_WEIGHTS.clone().as_subclass(AddedAtOnce)
    weights[LABELS == CLASSES] = 0.25
    assert [element.item() for element in weights] == pytest.approx([4.75])
    assert sum(weights).item() == pytest.approx(4 + 3 * 0.25)
    assert len(weights) == N
    assert type(weights * 2) is type(sum(weights)) is torch.Tensor


def test_only_where_classes_alone_count_are_weights_summed_in_one_go(head):
    result = SimpleNamespace(
        pos_priors=torch.tensor([[1.0, 2, 9, 8]]),
        neg_priors=torch.tensor([[1.0, 2, 3, 8], [4.0, 4, 9, 8]]),
        pos_gt_bboxes=torch.tensor([[1.0, 2, 8, 8]]),
        pos_gt_labels=torch.tensor([1]),
    )
    config = SimpleNamespace(pos_weight=-1)
    assert len(list(head.get_targets([result], config)[1])) == 3
    head.with_reg = False
    assert len(list(head.get_targets([result], config)[1])) == 1
