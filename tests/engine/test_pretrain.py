import pytest
import torch

from gbss import tasks
from gbss.configs.detectors import DETECTORS
from gbss.detection.checkpoints import read_checkpoint
from gbss.engine import pretrain as engine
from gbss.engine.pretrain import CropClassifier, pretrain
from gbss.errors import GbssError

CROPS = {"task": "mini-coco", "steps": 8, "batch": 24, "seed": 3}


def test_the_same_seed_gives_the_same_backbone(tmp_path):
    for name in ("a.pth", "b.pth"):
        pretrain(CROPS, "small", tmp_path / name)
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    one, two = (read_checkpoint(tmp_path / name) for name in ("a.pth", "b.pth"))
    assert all(
        torch.equal(value, two["state_dict"][key]) for key, value in one["state_dict"].items()
    )
    assert one["meta"]["accuracy"] == two["meta"]["accuracy"] > 1 / 13


def test_crops_hold_no_minority_class(tmp_path, monkeypatch):
    seen = []
    original = engine.crops

    def noted(drawing, *arguments):
        seen.append({kind.name for kind in drawing.classes})
        return original(drawing, *arguments)

    monkeypatch.setattr(engine, "crops", noted)
    pretrain(CROPS, "small", tmp_path / "a.pth")
    assert seen == [set(tasks.get("mini-coco").groups["majority"])] * 2


def test_its_keys_are_those_of_the_detectors_backbone(tmp_path):
    expected = {f"backbone.{key}" for key in CropClassifier(13).backbone.state_dict()}
    pretrain(CROPS, "small", tmp_path / "a.pth")
    assert set(read_checkpoint(tmp_path / "a.pth")["state_dict"]) == expected
    backbone = DETECTORS["small"](12, "a.pth")["backbone"]
    assert (backbone["depth"], backbone["base_channels"], backbone["num_stages"]) == (18, 32, 3)


def test_a_checkpoint_is_taken_with_or_without_prefix(tmp_path):
    weights = CropClassifier(13).backbone.state_dict()
    prefixed = {f"backbone.{key}": value for key, value in weights.items()}
    for number, saved in enumerate((weights, {"state_dict": prefixed})):
        torch.save(saved, tmp_path / f"{number}.pth")
        pretrain({"checkpoint": str(tmp_path / f"{number}.pth")}, "small", tmp_path / "out.pth")
        state = read_checkpoint(tmp_path / "out.pth")["state_dict"]
        assert state.keys() == prefixed.keys()
        assert torch.equal(state["backbone.conv1.weight"], weights["conv1.weight"])


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    weights = CropClassifier(13).backbone.state_dict()
    torch.save(weights, tmp_path / "small.pth")
    with pytest.raises(GbssError) as caught:
        pretrain({"checkpoint": str(tmp_path / "small.pth")}, "resnet50", tmp_path / "out.pth")
    assert "as the detector 'resnet50' has it" in str(caught.value)
    del weights["layer2.0.conv1.weight"]
    torch.save(weights, tmp_path / "small.pth")
    with pytest.raises(GbssError, match=r"layer2\.0\.conv1\.weight\n    found:    nothing"):
        pretrain({"checkpoint": str(tmp_path / "small.pth")}, "small", tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"checkpoint": "nowhere.pth"}, "download it on a machine with a network"),
        (CROPS | {"task": "coco-split1"}, "an embedded task"),
    ],
)
def test_what_cannot_be_had(tmp_path, settings, message):
    with pytest.raises(GbssError, match=message):
        pretrain(settings, "small", tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


def test_code_in_a_checkpoint_is_not_run(crafted_checkpoint):
    with pytest.raises(GbssError, match="holds nothing but data"):
        pretrain({"checkpoint": str(crafted_checkpoint)}, "small", crafted_checkpoint.parent / "b")
    assert not crafted_checkpoint.with_name("hacked").exists()


@pytest.mark.parametrize("content", [[1.5], {"state_dict": [2]}, {3: 4, "conv1.weight": "five"}])
def test_a_checkpoint_without_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(GbssError, match=r"a list|conv1\.weight\n    found:    shape \(\)"):
        pretrain({"checkpoint": str(tmp_path / "a.pth")}, "small", tmp_path / "out.pth")
