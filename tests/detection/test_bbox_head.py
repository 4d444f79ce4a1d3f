from types import SimpleNamespace

import pytest
import torch
from mmdet.models import EQLV2Loss
from torch.nn import functional

from gbss.detection.bbox_head import AddedAtOnce, WeightedBBoxHead
from gbss.losses.eqlv2 import EQLv2Loss
from gbss.losses.softmax_focal import SoftmaxFocalLoss

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


def own(**settings):
    torch.manual_seed(5)
    sizes = {"in_channels": 2, "roi_feat_size": 1, "fc_out_channels": 4, "num_classes": CLASSES}
    return WeightedBBoxHead(**sizes, **settings)


def eqlv2():
    return own(loss_cls={"type": "gbss.losses.eqlv2.EQLv2Loss", "classes": CLASSES})


def test_a_loss_of_its_own_shows_its_gradients():
    head, seen, z = eqlv2(), [], logits()
    with head.shown_to(lambda *samples: seen.append(samples) or FACTORS):
        found = losses(head, z)["loss_cls"]
    ((_, _, _, gradients),) = seen
    assert not gradients.requires_grad
    (total,) = torch.autograd.grad(found, z)
    torch.testing.assert_close((FACTORS * LABEL_WEIGHTS / N)[:, None] * gradients, total)
    head.loss_cls = SoftmaxFocalLoss(1.5)
    with head.shown_to(lambda *samples: seen.append(samples)):
        losses(head, z)
    assert seen[1][3] is None  # the matrix knows them in closed form


def test_eqlv2_has_its_channels_bias_and_scores():
    head = eqlv2()
    head.init_weights()
    assert head.fc_cls.out_features == CLASSES + 1
    assert head.fc_cls.bias.tolist() == pytest.approx([-6.9068] * 4, abs=1e-4)
    z = logits().detach()
    (found,) = predictions(head, z)
    expected = z.sigmoid()[:, :-1] * (1 - z.sigmoid()[:, -1:])
    torch.testing.assert_close(found[:, :-1], expected)
    # What Soft Teacher weighs unlabeled background by.
    torch.testing.assert_close(found[:, -1], z.sigmoid()[:, -1])


def predictions(head, z):
    boxes = torch.zeros(N, 4 * CLASSES)
    rois = torch.tensor([[0.0, 1, 1, 9, 9]] * N)
    raw = head.predict_by_feat((rois,), (z,), (boxes,), [{"img_shape": (20, 20)}])
    return [image.scores for image in raw]


def test_eqlv2_equals_mmdets_where_that_respects_everything():
    """Label weights of 1, no divisor, one batch in each step."""
    ours = EQLv2Loss(CLASSES)
    theirs = EQLV2Loss(num_classes=CLASSES)
    for step in range(5):
        z = torch.randn(N, CLASSES + 1, generator=torch.Generator().manual_seed(step))
        torch.testing.assert_close(ours(z, LABELS), theirs(z, LABELS), rtol=1e-5, atol=1e-6)
        ours.step()
    torch.testing.assert_close(ours.ratio, theirs.pos_neg, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(ours.get_activation(z), theirs.get_activation(z.clone()))


def test_the_post_hoc_form_changes_results_and_no_pseudo_labels():
    settings = {"classes": CLASSES, "form": "post_hoc"}
    head = own(loss_cls={"type": "gbss.losses.logit_adjustment.LogitAdjustmentLoss", **settings})
    head.loss_cls.set_prior(torch.tensor([50, 1, 9]))
    z = logits().detach()
    torch.testing.assert_close(predictions(head, z)[0], z.softmax(1))
    with head.final():
        torch.testing.assert_close(predictions(head, z)[0], (z - head.loss_cls.offsets).softmax(1))
    torch.testing.assert_close(predictions(head, z)[0], z.softmax(1))


def test_c2am_looks_at_the_norms_of_its_cosine_classifier():
    head = own(
        loss_cls={"type": "gbss.losses.c2am.C2AMLoss", "scale": 30.0},
        cls_predictor_cfg={"type": "NormedLinear", "temperature": 30.0, "bias": False},
    )
    head.init_weights()
    assert head.fc_cls.bias is None
    with torch.no_grad():
        head.fc_cls.weight[1] *= 9
    z = head.fc_cls(torch.randn(N, 4))
    assert z.abs().max() <= 30
    assert losses(head, z)["loss_cls"].isfinite()
    torch.testing.assert_close(head.loss_cls.norms, head.fc_cls.weight.detach().norm(dim=1))
