import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

from gbss.configs.detectors import small
from gbss.detection.decoupling import GradientDecoupling


def features(channels=3):
    generator = torch.Generator().manual_seed(2)
    return [
        torch.randn(2, channels, side, side + 1, generator=generator).requires_grad_()
        for side in (4, 2)
    ]


@pytest.mark.parametrize("rate", [0.0, 0.75, 1.0])
def test_forward_is_the_identity_first_and_backward_is_scaled(rate):
    layer, x = GradientDecoupling(2, 3, rate), features()
    found = layer(x)
    for level, before in zip(found, x, strict=True):
        assert torch.equal(level, before)
    sum((level**2).sum() for level in found).backward()
    for level, before in zip(found, x, strict=True):
        if rate:
            torch.testing.assert_close(before.grad, rate * 2 * level)
        else:
            assert before.grad is None
    # By hand: the gradients on scale and shift are those of the whole loss.
    expected = torch.stack([(2 * level * level).sum((0, 2, 3)) for level in found])
    torch.testing.assert_close(layer.weight.grad, expected)
    expected = torch.stack([(2 * level).sum((0, 2, 3)) for level in found])
    torch.testing.assert_close(layer.bias.grad, expected)


def test_each_level_and_channel_has_its_own_scale_and_shift():
    layer, x = GradientDecoupling(2, 3, 0.5), features()
    with torch.no_grad():
        layer.weight[1] = torch.tensor([2.0, 3, 4])
        layer.bias[1] = torch.tensor([1.0, 0, -1])
    first, second = layer(x)
    assert torch.equal(first, x[0])
    assert second[1, 2, 0, 1] == 4 * x[1][1, 2, 0, 1] - 1
    with pytest.raises(ValueError, match="argument 2 is longer"):
        layer(x[:1])


def detector(decoupled):
    init_default_scope("mmdet")
    model = small(5, "")
    model["backbone"]["init_cfg"] = None
    model["roi_head"]["type"] = "gbss.detection.roi_head.RoIHead"
    if decoupled:
        model["rpn_head"] |= {
            "type": "gbss.detection.decoupling.DecoupledRPNHead",
            "levels": 2,
            "rate": 0.0,
        }
        model["roi_head"] |= {
            "type": "gbss.detection.decoupling.DecoupledRoIHead",
            "rate": 0.75,
        }
    torch.manual_seed(4)
    return MODELS.build(ConfigDict(model))


def test_heads_behind_it_compute_what_they_did_and_send_back_less():
    plain, ours = detector(False), detector(True)
    missing, unexpected = ours.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert {key.split(".")[-2] for key in missing} == {"decoupling"}
    rois = torch.tensor([[0.0, 2, 3, 30, 40], [1.0, 5, 5, 60, 50]])
    gradients = {}
    for name, model in (("plain", plain), ("ours", ours)):
        x = [torch.ones(2, 64, side, side, requires_grad=True) for side in (16, 8)]
        proposals = model.rpn_head(x)[0]
        scores = model.roi_head._bbox_forward(x, rois)["cls_score"]
        gradients[name] = (
            torch.autograd.grad(
                sum(level.sum() for level in proposals), x, allow_unused=True, retain_graph=True
            ),
            torch.autograd.grad((scores**2).sum(), x[0]),
            scores.detach(),
        )
    assert torch.equal(gradients["ours"][2], gradients["plain"][2])
    assert gradients["ours"][0] == (None, None)
    torch.testing.assert_close(gradients["ours"][1][0], 0.75 * gradients["plain"][1][0])
