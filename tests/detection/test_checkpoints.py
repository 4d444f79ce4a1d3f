import os
from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from gbss.detection.checkpoints import checkpoint_files, checkpoint_path, read_checkpoint
from gbss.detection.hooks import CheckpointHook, InvalidLossHook, SeedHook
from gbss.errors import GbssError


class Malicious:
    def __reduce__(self):
        return os.system, ("touch hacked",)


def runner(folder, iteration, total=10, save=None, model=None):
    return SimpleNamespace(
        work_dir=str(folder),
        iter=iteration,
        max_iters=total,
        seed=5,
        save_checkpoint=save,
        model=model or torch.nn.Linear(2, 3),
        call_hook=lambda name: None,
    )


def test_newest_first(tmp_path):
    for iteration in (200, 90, 1000):
        path = checkpoint_path(tmp_path, iteration)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [path.name for path in checkpoint_files(tmp_path)] == [
        "iter_0001000.pth",
        "iter_0000200.pth",
        "iter_0000090.pth",
    ]


def test_code_in_a_checkpoint_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {}, "meta": Malicious()}, path)
    with pytest.raises(GbssError, match="holds nothing but data"):
        read_checkpoint(path)
    assert not (tmp_path / "hacked").exists()


def test_a_file_cannot_reach_code_through_what_histories_need(crafted_checkpoint):
    with pytest.raises(GbssError, match="the attribute '__globals__' of"):
        read_checkpoint(crafted_checkpoint)
    # mmengine reads it to resume.
    with pytest.raises(UnpicklingError, match="getattr was not an allowed"):
        CheckpointLoader.load_checkpoint(str(crafted_checkpoint))
    assert not crafted_checkpoint.with_name("hacked").exists()


def test_histories_of_values_are_read(tmp_path):
    history = HistoryBuffer([2.5, 0.5], [1, 3])
    torch.save({"state_dict": {}, "meta": {}, "message_hub": history}, tmp_path / "a.pth")
    found = read_checkpoint(tmp_path / "a.pth")["message_hub"]
    assert [each.tolist() for each in found.data] == [[2.5, 0.5], [1, 3]]
    assert found.statistics("mean") == 0.75


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint", "truncated", [1, 2]])
def test_files_that_are_no_checkpoint(tmp_path, content):
    path = tmp_path / "a.pth"
    if content == "truncated":
        torch.save({"state_dict": {"w": torch.arange(999.0)}}, path)
        path.write_bytes(path.read_bytes()[:-2000])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(GbssError) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)


def test_checkpoints_are_whole_and_the_newest_two_are_kept(tmp_path):
    def save(folder, name, by_epoch):
        assert not by_epoch
        torch.save({"state_dict": {}}, f"{folder}/{name}")

    hook = CheckpointHook(interval=4)
    for iteration in range(10):
        hook.after_train_iter(runner(tmp_path, iteration, save=save), iteration)
    assert [path.name for path in checkpoint_files(tmp_path)] == [
        "iter_0000010.pth",
        "iter_0000008.pth",
    ]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_checkpoint_that_fails_half_way_leaves_nothing(tmp_path):
    def save(folder, name, by_epoch):
        (Path(folder) / name).write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        CheckpointHook(interval=1).after_train_iter(runner(tmp_path, 0, save=save), 0)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_weights_that_are_no_numbers_are_never_kept(tmp_path):
    model = torch.nn.Linear(2, 3)
    model.bias.data[1] = float("nan")
    with pytest.raises(GbssError, match=r"iteration 4(.|\n)*1 weights(.|\n)*bias"):
        CheckpointHook(interval=4).after_train_iter(runner(tmp_path, 3, model=model), 3)
    assert not checkpoint_files(tmp_path)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    hook = InvalidLossHook(interval=3)
    good = {"loss": torch.tensor(2.5), "parts": [torch.tensor(1.0), torch.tensor(3.0)]}
    bad = {"loss": torch.tensor(2.5), "parts": [torch.tensor(1.0), torch.tensor(float("nan"))]}
    hook.after_train_iter(runner(tmp_path, 2), 2, outputs=good)
    hook.after_train_iter(runner(tmp_path, 3), 3, outputs=bad)  # not looked at
    with pytest.raises(GbssError, match=r"iteration 6(.|\n)*parts is not a finite number"):
        hook.after_train_iter(runner(tmp_path, 5), 5, outputs=bad)


def test_every_part_of_every_iteration_has_its_own_random_state(tmp_path):
    hook, seen = SeedHook(parts=2), []
    one = runner(tmp_path, 3)
    hook.before_train(one)
    share = one.model.share
    assert (share.first, share.count) == (0, 2)
    for one.iter, part in ((3, 0), (4, 0), (3, 1), (3, 0)):
        share.seed(part)
        seen.append(torch.rand(4).tolist())
    assert seen[0] == seen[3]
    assert seen[0] != seen[1]
    assert seen[0] != seen[2]
