import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from gbss.configs.detectors import small

CLASSES = 5


def build(kind):
    init_default_scope("mmdet")
    model = small(CLASSES, "")
    config = copy.deepcopy(model["roi_head"])
    if kind == "ours":
        config["type"] = "gbss.detection.roi_head.RoIHead"
        config["bbox_head"]["type"] = "gbss.detection.bbox_head.WeightedBBoxHead"
    cfg = {"train_cfg": model["train_cfg"]["rcnn"], "test_cfg": model["test_cfg"]["rcnn"]}
    torch.manual_seed(3)
    return MODELS.build(ConfigDict(config | cfg))


def inputs(labels, proposals):
    """Features, proposals and samples of two images; an empty one is like any other."""
    generator = torch.Generator().manual_seed(7)
    x = [torch.randn(2, 64, side, side, generator=generator) for side in (16, 8)]

    def boxes(count):
        corner = 70 * torch.rand(count, 2, generator=generator)
        return torch.cat([corner, corner + 20 + 30 * torch.rand(count, 2, generator=generator)], 1)

    samples, regions = [], []
    for wanted, count in zip(labels, proposals, strict=True):
        sample = DetDataSample(metainfo={"img_shape": (128, 128)})
        found = boxes(len(wanted))
        sample.gt_instances = InstanceData(bboxes=found, labels=torch.tensor(wanted).long())
        near = torch.cat([found + 2, boxes(count)])[: count or 0]
        samples.append(sample)
        regions.append(InstanceData(bboxes=near, scores=torch.ones(len(near))))
    return x, regions, samples


def box_loss(head, alone, labels, proposals):
    x, regions, samples = inputs(labels, proposals)
    for level in x:
        level.requires_grad_()
    torch.manual_seed(1)
    if alone:
        with head.boxes_alone():
            loss = head.loss(x, regions, samples)["loss_bbox"]
    else:
        loss = head.loss(x, regions, samples)["loss_bbox"]
    return loss, torch.autograd.grad(loss, [*x, head.bbox_head.fc_reg.weight])


@pytest.mark.parametrize(
    ("labels", "proposals"),
    [
        ([[0, 4, 2], [1]], (60, 9)),
        ([[3], []], (40, 12)),
        ([[], []], (30, 8)),
        ([[2, 2], []], (25, 0)),
    ],
)
def test_boxes_alone_have_mmdets_loss_and_gradients(labels, proposals):
    expected, expected_gradients = box_loss(build("mmdet"), False, labels, proposals)
    found, gradients = box_loss(build("ours"), True, labels, proposals)
    assert (found > 0) == any(labels)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-7)


def test_only_positive_regions_and_no_classes_are_computed():
    head, seen = build("ours"), []
    head.bbox_head.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    head.bbox_head.fc_cls.register_forward_hook(lambda *_: seen.append("classes"))
    box_loss(head, True, [[0, 4, 2], [1]], (60, 9))
    box_loss(head, False, [[0, 4, 2], [1]], (60, 9))
    positive, all_of_them, classes = seen
    assert 0 < positive < all_of_them / 2
    assert classes == "classes"


def test_classes_alone_predict_no_boxes_and_sum_their_weights_at_once():
    head = build("ours")
    x, regions, _ = inputs([[1], [2]], (6, 5))
    rois = torch.cat(
        [
            torch.cat([torch.full((len(each.bboxes), 1), number), each.bboxes], 1)
            for number, each in enumerate(regions)
        ]
    )
    with head.classes_alone():
        found = head._bbox_forward(x, rois)
        assert found["bbox_pred"] is None
        assert found["cls_score"].shape == (11, CLASSES + 1)
    assert head._bbox_forward(x, rois)["bbox_pred"].shape == (11, 4 * CLASSES)


@pytest.mark.parametrize("name", ["classes_alone", "boxes_alone"])
def test_an_error_leaves_everything_on(name):
    head = build("ours")
    with pytest.raises(ArithmeticError), getattr(head, name)():
        raise ArithmeticError
    assert head.bbox_head.with_cls
    assert head.bbox_head.with_reg
    assert not head._boxes_alone
