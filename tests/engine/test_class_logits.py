"""The means over objects, for every loss that a row can name."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gbss.configs.losses import box_head
from gbss.detection.bbox_head import WeightedBBoxHead
from gbss.engine.class_logits import _means
from gbss.experiments import load_experiments
from gbss.rows import LOSSES

ROW = load_experiments().rows["soft-teacher"]
CLASSES = 4
KINDS = torch.tensor([2, 0, 2, 3, 2])
"""Classes of the boxes; class 1 has none."""


def head_with(loss):
    torch.manual_seed(4)
    settings = {"in_channels": 2, "roi_feat_size": 1, "fc_out_channels": 5, "num_classes": CLASSES}
    plain = {"type": "CrossEntropyLoss", "use_sigmoid": False}
    head = WeightedBBoxHead(
        **settings, **{"loss_cls": plain} | box_head(replace(ROW, loss=loss), CLASSES)
    )
    torch.nn.init.normal_(head.fc_cls.weight)
    if head.own_loss is not None:
        head.own_loss.set_prior(torch.tensor([40, 3, 17, 9]))
    return head.eval()


@pytest.mark.parametrize("loss", LOSSES)
def test_logits_and_scores_of_every_loss(loss):
    head = head_with(loss)
    outputs = 2 * torch.randn(len(KINDS), head.fc_cls.out_features)
    sample = SimpleNamespace(img_id=7, scale_factor=(2.0, 2.0))
    shown = []

    def forward(_, rois):
        shown.append(rois)
        return {"cls_score": outputs}

    model = SimpleNamespace(
        eval=lambda: None,
        data_preprocessor=lambda batch, _: batch,
        teacher=SimpleNamespace(
            extract_feat=lambda inputs: [inputs],
            roi_head=SimpleNamespace(bbox_head=head, _bbox_forward=forward),
        ),
    )
    boxes = np.array([[x, 1.0, 3.0, 5.0] for x in range(len(KINDS) + 1)])
    truth = SimpleNamespace(
        names=("a", "b", "c", "d"),
        counted=np.array([True] * 5 + [False]),
        image_ids=np.array([2, 7]),
        box_images=np.array([1] * 6),
        boxes=boxes,
        box_classes=np.array([*KINDS.tolist(), 1]),
    )
    found = _means(model, [{"inputs": torch.zeros(1, 3, 8, 8), "data_samples": [sample]}], truth)

    assert shown[0][4].tolist() == [0, 8, 2, 14, 12]
    assert found.objects.tolist() == [1, 0, 3, 1]
    for values in (found.logits, found.scores):
        assert values.shape == (CLASSES, CLASSES + 1)
        assert np.isnan(values[1]).all()
    assert found.bias.shape == found.norms.shape == (CLASSES + 1,)
    with head.final():
        rois = torch.zeros(len(KINDS), 5)
        (results,) = head.predict_by_feat(
            (rois,),
            (outputs,),
            (torch.zeros(len(KINDS), 4 * CLASSES),),
            [{"img_shape": (8, 8), "scale_factor": (1.0, 1.0)}],
        )
    mine = KINDS == 2
    np.testing.assert_allclose(found.scores[2, :-1], results.scores[mine, :-1].mean(0), rtol=1e-5)
    expected = outputs[mine][:, [0, 1, 2, 3, -1]].mean(0)
    np.testing.assert_allclose(found.logits[2], expected, rtol=1e-5)
    np.testing.assert_allclose(found.norms[-1], head.fc_cls.weight[-1].norm().item(), rtol=1e-5)
