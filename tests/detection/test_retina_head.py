"""RetinaNet's head with observers: its samples are mmdet's, its matrix is the loss's gradient."""

from functools import partial

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from gbss.detection.method import Method
from gbss.detection.retina_head import WeightedRetinaHead

N, SIDES = 3, (4, 2)  # foreground classes, cells of the two levels
META = {"img_shape": (32, 32), "pad_shape": (32, 32), "scale_factor": (1.0, 1.0)}


@pytest.fixture
def head():
    torch.manual_seed(5)
    return WeightedRetinaHead(
        num_classes=N,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        anchor_generator={
            "type": "AnchorGenerator",
            "octave_base_scale": 2,
            "scales_per_octave": 2,
            "ratios": [1.0],
            "strides": [8, 16],
        },
        loss_cls={"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25},
        train_cfg=ConfigDict(
            {
                "assigner": {
                    "type": "MaxIoUAssigner",
                    "pos_iou_thr": 0.5,
                    "neg_iou_thr": 0.4,
                    "min_pos_iou": 0,
                },
                "sampler": {"type": "PseudoSampler"},
                "allowed_border": -1,
                "pos_weight": -1,
            }
        ),
        test_cfg=ConfigDict(
            {
                "nms_pre": 50,
                "score_thr": 0.0,
                "nms": {"type": "nms", "iou_threshold": 0.5},
                "max_per_img": 9,
            }
        ),
    )


def outputs():
    """Logits and deltas of two images, level after level, two anchors in each cell."""
    generator = torch.Generator().manual_seed(9)
    sizes = [(2, 2 * columns, side, side) for columns in (N, 4) for side in SIDES]
    made = [2 * torch.randn(size, generator=generator) for size in sizes]
    return [each.requires_grad_() for each in made[:2]], made[2:]


def losses(head, scores, deltas):
    boxes = [torch.tensor([[1.0, 2, 19, 17], [14, 9, 29, 27]]), torch.tensor([[4.0, 6, 27, 29]])]
    labels = [torch.tensor([2, 0]), torch.tensor([2])]
    truth = [InstanceData(bboxes=b, labels=y) for b, y in zip(boxes, labels, strict=True)]
    return head.loss_by_feat(scores, deltas, truth, [META, META])


def total(found):
    return sum(found["loss_cls"])


def test_factors_multiply_each_anchors_loss_and_no_box(head):
    scores, deltas = outputs()
    plain, seen = losses(head, scores, deltas), []
    by_class = torch.tensor([0.5, 1.25, 3.0, 0.8])

    def observer(*samples, divisor):
        seen.append((*samples, divisor))
        return by_class[samples[1]]

    with head.shown_to(observer):
        found = losses(head, scores, deltas)
    assert [len(logits) for logits, *_ in seen] == [2 * 2 * side**2 for side in SIDES]
    logits, labels, weights = (torch.cat([each[i] for each in seen]) for i in range(3))
    assert not logits.requires_grad
    assert set(labels.tolist()) == {0, 2, 3}
    # Anchors between both limits are of no class.
    assert set(weights.tolist()) == {0.0, 1.0}
    terms = head.loss_cls(logits, labels, reduction_override="none").sum(1) * weights
    positives = ((labels < N) & (weights > 0)).sum()
    assert sum(divisor for *_, divisor in seen) == positives == head.divisor
    torch.testing.assert_close(total(plain), terms.sum() / positives)
    torch.testing.assert_close(total(found), (by_class[labels] * terms).sum() / positives)
    for one, other in zip(found["loss_bbox"], plain["loss_bbox"], strict=True):
        assert torch.equal(one, other)


def test_the_matrix_is_the_gradient_of_the_loss_by_the_anchors_class(head):
    """Its columns added up are the gradient on the classifier's bias, class by class."""
    method = Method(
        {"type": "gbss.imbalance.gradients.GradientStatistics", "classes": N + 1, "warmup": 2},
        {"type": "gbss.imbalance.thresholds.ClassThresholds", "classes": N, "warmup": 2},
        focal_gamma=2.0,
        focal_alpha=0.25,
    )
    scores, deltas = outputs()
    with head.shown_to(partial(method.observe, "labeled")), head.divided_by_at_least(50.0):
        found = losses(head, scores, deltas)
    method.end()
    matrix = method.statistics.running[0]
    gradients = torch.autograd.grad(total(found), scores)
    bias = sum(each.view(2, 2, N, -1).sum((0, 1, 3)) for each in gradients)
    torch.testing.assert_close(matrix.sum(1)[:N], bias, rtol=1e-4, atol=1e-6)
    assert (matrix.diagonal()[[0, 2]] < 0).all()
    assert (matrix[:N, N] > 0).all()
    assert torch.equal(matrix[N], torch.zeros(N + 1))
    assert torch.equal(matrix[:, 1], torch.zeros(N + 1))


def test_an_observer_without_factors_leaves_the_loss_to_the_last_bit(head):
    scores, deltas = outputs()
    plain = total(losses(head, scores, deltas))
    with head.shown_to(lambda *_, **__: None):
        assert torch.equal(total(losses(head, scores, deltas)), plain)
    assert head.own_loss is None


def test_losses_of_few_positives_are_divided_by_what_is_asked_for(head):
    scores, deltas = outputs()
    plain = losses(head, scores, deltas)
    positives = head.divisor
    with head.divided_by_at_least(4 * positives):
        quarter = losses(head, scores, deltas)
    with head.divided_by_at_least(positives / 2):
        same = losses(head, scores, deltas)
    for key in ("loss_cls", "loss_bbox"):
        torch.testing.assert_close(sum(quarter[key]), sum(plain[key]) / 4)
        assert torch.equal(sum(same[key]), sum(plain[key]))
    assert torch.equal(total(losses(head, scores, deltas)), total(plain))


def test_listeners_hear_of_the_detections_after_suppression(head):
    scores, deltas = ([each.detach() for each in part] for part in outputs())
    heard = []
    with head.heard_by(lambda *found: heard.append(found)):
        results = head.predict_by_feat(scores, deltas, batch_img_metas=[META, META])
    assert len(heard) == len(results) == 2
    for (found, labels), image in zip(heard, results, strict=True):
        assert torch.equal(found, image.scores)
        assert torch.equal(labels, image.labels)
        assert 0 < len(found) <= 9
    head.predict_by_feat(scores, deltas, batch_img_metas=[META, META])
    assert len(heard) == 2
