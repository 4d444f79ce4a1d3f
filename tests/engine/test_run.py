import json
from dataclasses import replace

import pytest
import torch

from gbss.configs.resolve import Inputs
from gbss.engine.run import Run, locked, newest_good_checkpoint, prepare
from gbss.errors import GbssError


@pytest.fixture
def run(tmp_path, tiny_task, tiny_scale, soft_teacher):
    names = ("labeled", "unlabeled", "train_images", "val", "val_images", "backbone")
    inputs = Inputs(**{name: tmp_path / name for name in names})
    for name in ("labeled", "unlabeled", "backbone"):
        (tmp_path / name).write_text(f"content of {name}")
    return Run(tiny_task, soft_teacher, tiny_scale, 3, tmp_path / "run", inputs)


def test_a_second_process_is_kept_out(run):
    message = "another process is training"
    with locked(run.folder), pytest.raises(GbssError, match=message), locked(run.folder):
        pass
    with locked(run.folder):
        pass


def test_identity_follows_what_decides_the_result_and_nothing_else(run):
    identity = run.identity()
    assert replace(run, folder=run.folder / "elsewhere").identity() == identity
    assert replace(run, row=replace(run.row, label="Other")).identity() == identity
    assert replace(run, seed=4).identity() != identity
    run.inputs.backbone.write_text("other weights")
    assert run.identity() != identity


def test_a_finished_run_with_other_settings_is_set_aside_not_lost(run, capsys):
    run.folder.mkdir()
    prepare(run, {"a": 1})
    (run.folder / "model.pth").write_text("old")
    prepare(run, {"a": 1})
    assert (run.folder / "model.pth").read_text() == "old"

    changed = replace(run, seed=4)
    prepare(changed, {"a": 2})
    assert not (run.folder / "model.pth").exists()
    (aside,) = run.folder.parent.glob("run.outdated-*")
    assert (aside / "model.pth").read_text() == "old"
    assert json.loads(run.manifest.read_text())["run"]["seed"] == 4
    assert "settings or inputs changed" in capsys.readouterr().out


def test_checkpoints_without_a_manifest_are_set_aside(run):
    (run.folder / "checkpoints").mkdir(parents=True)
    (run.folder / "checkpoints/iter_0000004.pth").write_text("unknown")
    prepare(run, {})
    assert (run.folder.parent / "run.outdated-unknown/checkpoints/iter_0000004.pth").exists()


def test_a_missing_input_is_named(run):
    run.inputs.backbone.unlink()
    with pytest.raises(GbssError, match=r"backbone(.|\n)*gbss pretrain"):
        run.identity()


def test_resuming_skips_unreadable_checkpoints(run, capsys):
    folder = run.folder / "checkpoints"
    folder.mkdir(parents=True)
    for iteration in (2, 4):
        torch.save({"state_dict": {}, "meta": {}}, folder / f"iter_{iteration:07d}.pth")
    newest = folder / "iter_0000006.pth"
    newest.write_bytes((folder / "iter_0000004.pth").read_bytes()[:300])
    assert newest_good_checkpoint(run.folder) == folder / "iter_0000004.pth"
    assert str(newest) in capsys.readouterr().out
    assert newest.with_suffix(".unreadable").exists()
