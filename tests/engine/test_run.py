import json
from dataclasses import replace

import pytest
import torch

from gbss.configs import method
from gbss.configs.resolve import Inputs, resolve
from gbss.engine import run as runs
from gbss.engine.run import Run, newest_good_checkpoint
from gbss.engine.train import plain
from gbss.errors import GbssError
from gbss.experiments import load_experiments


@pytest.fixture
def run(tmp_path, tiny_task, tiny_scale, soft_teacher):
    names = ("labeled", "unlabeled", "train_images", "val", "val_images", "backbone")
    inputs = Inputs(**{name: tmp_path / name for name in names})
    for name in ("labeled", "unlabeled", "backbone"):
        (tmp_path / name).write_text(f"content of {name}")
    return Run(tiny_task, soft_teacher, tiny_scale, 3, tmp_path / "run", inputs)


def config_of(run):
    """The resolved configuration as plain data."""
    return plain(resolve(run.task, run.row, run.scale, run.seed, run.inputs, run.folder))


def identity_of(run):
    return run.identity(config_of(run))


def prepare(run):
    config = config_of(run)
    return runs.prepare(run, config, run.identity(config))


def test_identity_follows_what_decides_the_result_and_nothing_else(run):
    identity, scale = identity_of(run), run.scale

    def scaled(**changes):
        return identity_of(replace(run, scale=replace(scale, **changes)))

    assert identity_of(replace(run, folder=run.folder / "elsewhere")) == identity
    assert identity_of(replace(run, row=replace(run.row, label="Other"))) == identity
    assert scaled(batch=replace(scale.batch, workers=2), seeds=(8,)) == identity
    assert scaled(schedule=replace(scale.schedule, log_interval=1)) == identity
    for interval in (0, 2):
        watched = replace(scale.schedule, validation_interval=interval)
        assert scaled(schedule=watched) == identity
    assert scaled(method=replace(scale.method, warmup=0.7)) == identity
    gbss = replace(run, row=load_experiments().rows["gbss"])
    slower = replace(scale, method=replace(scale.method, warmup=0.7))
    assert identity_of(replace(gbss, scale=slower)) != identity_of(gbss) != identity
    moved = run.inputs.backbone.rename(run.inputs.backbone.with_name("moved"))
    assert identity_of(replace(run, inputs=replace(run.inputs, backbone=moved))) == identity
    moved.rename(run.inputs.backbone)

    # Nor does it matter on how many GPUs the parts of a batch are trained.
    train = replace(scale.resources["train"], gpu=8, nodes=2)
    assert scaled(resources={**scale.resources, "train": train}) == identity

    drawing = replace(run.task.drawing, seed=99)
    others = [
        identity_of(replace(run, seed=4)),
        identity_of(replace(run, task=replace(run.task, drawing=drawing))),
        scaled(schedule=replace(scale.schedule, warmup=4)),
        scaled(batch=replace(scale.batch, parts=8)),
    ]
    config = config_of(run)
    config["model"]["detector"]["train_cfg"]["rcnn"]["sampler"]["num"] = 16
    others.append(run.identity(config))
    run.inputs.backbone.write_text("other weights")
    others.append(identity_of(run))
    assert len({identity, *others}) == 7


@pytest.mark.parametrize("row", ["unbiased-teacher", "retinanet", "soft-teacher", "supervised"])
def test_a_plain_rows_threshold_counts_where_it_is_the_methods(run, row, monkeypatch):
    run = replace(run, row=load_experiments().rows[row])
    before, kept = identity_of(run), runs.essence(config_of(run), run.row)["model"].get("method")
    detector = run.row.detector
    monkeypatch.setitem(method.BASE_THRESHOLD, detector, 0.66)
    after = identity_of(run)
    if detector in ("soft_teacher", "supervised"):
        assert kept is None
        assert after == before
    else:
        assert kept == {"thresholds": {"base": {"retinanet": 0.5}.get(row, 0.7)}}
        assert after != before


def test_a_finished_run_with_other_settings_is_set_aside_not_lost(run, capsys):
    run.folder.mkdir()
    prepare(run)
    (run.folder / "model.pth").write_text("old")
    prepare(run)
    assert (run.folder / "model.pth").read_text() == "old"

    changed = replace(run, seed=4)
    prepare(changed)
    assert not (run.folder / "model.pth").exists()
    (aside,) = run.folder.parent.glob("run.outdated-*")
    assert (aside / "model.pth").read_text() == "old"
    assert json.loads(run.manifest.read_text())["run"]["seed"] == 4
    assert "settings or inputs changed" in capsys.readouterr().err


def test_checkpoints_without_a_manifest_are_set_aside(run):
    (run.folder / "checkpoints").mkdir(parents=True)
    (run.folder / "checkpoints/iter_0000004.pth").write_text("unknown")
    assert prepare(run) is None
    assert (run.folder.parent / "run.outdated-unknown/checkpoints/iter_0000004.pth").exists()


def test_a_missing_input_is_named(run):
    run.inputs.backbone.unlink()
    with pytest.raises(GbssError, match=r"backbone(.|\n)*gbss pretrain"):
        identity_of(run)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:300],
        lambda content: content[:-40],
        # In the pickle: a key of the wrong type, an opcode that takes what is not there, no text.
        lambda content: content.replace(b"storage", b"st\xffrage"),
        lambda content: content.replace(b"\x80\x02}", b"\x80\x02."),
        lambda content: content.replace(b"\x80\x02}", b"\x80\x02a"),
        lambda content: content.replace(b"ctorch\n", b"h\x77orch\n"),
        lambda content: content.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9"),
        {"state_dict": {}, "meta": None},
        {"state_dict": None, "meta": {}},
        {"state_dict": [1], "meta": {}},
        {"state_dict": {}},
        [{"state_dict": {}}],
    ],
)
def test_resuming_skips_damaged_checkpoints(run, capsys, damage):
    folder = run.folder / "checkpoints"
    folder.mkdir(parents=True)
    for iteration in (2, 4):
        content = {"state_dict": {"w": torch.arange(3.0)}, "meta": {}}
        torch.save(content, folder / f"iter_{iteration:07d}.pth")
    newest = folder / "iter_0000006.pth"
    if callable(damage):
        content = damage((folder / "iter_0000004.pth").read_bytes())
        assert content != (folder / "iter_0000004.pth").read_bytes()
        newest.write_bytes(content)
    else:
        torch.save(damage, newest)
    assert newest_good_checkpoint(run.folder, "mine") == folder / "iter_0000004.pth"
    assert str(newest) in capsys.readouterr().err
    assert newest.with_suffix(".unreadable").exists()


def test_a_checkpoint_of_another_run_is_not_gone_on_with(run, capsys):
    folder = run.folder / "checkpoints"
    folder.mkdir(parents=True)
    for iteration, identity in ((2, "mine"), (4, "another")):
        content = {"state_dict": {}, "meta": {"identity": identity}}
        torch.save(content, folder / f"iter_{iteration:07d}.pth")
    assert newest_good_checkpoint(run.folder, "mine") == folder / "iter_0000002.pth"
    assert "of a run with other settings or inputs" in capsys.readouterr().err
    assert (folder / "iter_0000004.foreign").exists()


def test_a_restart_from_nothing_renews_the_manifest_and_clears_half_written_files(run):
    prepare(run)
    manifest = json.loads(run.manifest.read_text())
    run.manifest.write_text(json.dumps(manifest | {"versions": {"torch": "1.0"}}))
    (run.folder / "checkpoints").mkdir()
    half = run.folder / "checkpoints/.iter_0000002.pth.abc.pth"
    half.write_text("half")
    assert prepare(run) is None
    assert json.loads(run.manifest.read_text()) == manifest
    assert not half.exists()
