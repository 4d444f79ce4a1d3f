import json
import math
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from yapf.yapflib import yapf_api

from gbss.configs.resolve import resolve
from gbss.detection import progress
from gbss.detection.checkpoints import checkpoint_files, checkpoint_path, read_checkpoint
from gbss.detection.hooks import InvalidLossHook, SeedHook
from gbss.detection.validation import TeacherAP
from gbss.engine.detect import detect
from gbss.engine.record import record
from gbss.engine.train import plain, train
from gbss.errors import GbssError, Stopped, fail
from gbss.evaluation import record as run_record
from gbss.evaluation.detections import read_detections
from gbss.experiments import load_experiments
from gbss.grid.logs import read_losses
from gbss.notes import mark, read_failure, read_progress


def weights(run):
    return read_checkpoint(run.model)["state_dict"]


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(run_in, tmp_path, monkeypatch, capfd):
    whole, cut = run_in(tmp_path / "whole"), run_in(tmp_path / "cut")
    train(whole)

    class Killed(BaseException):
        pass

    def end(self, runner, batch_idx, data_batch=None):
        if runner.iter == 2 and not checkpoint_path(cut.folder, 3).exists():
            os.kill(os.getpid(), signal.SIGTERM)
        if runner.iter == 5:
            raise Killed
        original(self, runner, batch_idx, data_batch)

    original = SeedHook.before_train_iter
    with monkeypatch.context() as patch:
        patch.setattr(SeedHook, "before_train_iter", end)
        with pytest.raises(Stopped, match="after iteration 3") as stopped:
            train(cut)
        assert stopped.value.status == 75
        assert checkpoint_files(cut.folder)[0].name == "iter_0000003.pth"
        told = read_progress(cut.folder)
        assert (told.state, told.iteration, told.total) == ("stopped", 3, 6)
        with pytest.raises(Killed):
            train(cut)
    assert not cut.model.exists()
    assert checkpoint_files(cut.folder)[0].name == "iter_0000004.pth"
    assert read_progress(cut.folder).state == "training"
    assert read_failure(cut.folder) is None
    capfd.readouterr()
    # Another number of loading processes must not matter.
    workers = replace(cut.scale.batch, workers=2)
    train(replace(cut, scale=replace(cut.scale, batch=workers)))
    assert "goes on after iteration 4" in capfd.readouterr().err
    assert same(weights(cut), weights(whole))
    told = read_progress(cut.folder)
    assert (told.state, told.iteration) == ("finished", 6)
    assert told.losses["loss"] > 0

    other = run_in(tmp_path / "other", seed=4)
    train(other)
    assert not same(weights(other), weights(whole))


def test_a_resumed_run_knows_the_ap_that_was_told_before(run_in, tmp_path, monkeypatch, capfd):
    run = run_in(tmp_path / "run")
    seen, signs, later = [], [], [0.0]

    def measured(self, results):
        """So few iterations find nothing."""
        seen.extend(image for image, *_ in results)
        later[0] += 5_000  # this took long
        return {"all": 0.125, "majority": 0.25, "minority": math.nan}

    def sign(folder, state, iteration, **others):
        signs.append((state, iteration, others.get("ap")))
        mark(folder, state, iteration, **others)

    def stop(self, runner, batch_idx, data_batch=None):
        if runner.iter == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, runner, batch_idx, data_batch)

    original, clock = SeedHook.before_train_iter, time.monotonic
    with monkeypatch.context() as patch:
        patch.setattr(TeacherAP, "compute_metrics", measured)
        patch.setattr(progress, "WRITTEN_EVERY", -1)
        patch.setattr(progress, "mark", sign)
        patch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock() + later[0]))
        patch.setattr(SeedHook, "before_train_iter", stop)
        with pytest.raises(Stopped, match="after iteration 5"):
            train(run)
    said = "AP after iteration 4: all 12.5, majority 25.0, minority no ground truth"
    assert said in capfd.readouterr().err
    first = read_progress(run.folder)
    assert (first.iteration, first.ap, first.ap_iteration) == (5, 0.125, 4)
    assert first.pace < 5_000
    truth = json.loads(run.inputs.val.read_text())
    assert sorted(seen) == sorted(image["id"] for image in truth["images"])
    assert signs == [("training", 4, None)] * len(seen) + [("training", 4, 0.125)]
    train(run)
    last = read_progress(run.folder)
    assert (last.state, last.ap, last.ap_iteration) == ("finished", 0.125, 4)
    assert json.loads(run.manifest.read_text())["training"]["seconds"] < 5_000
    assert read_losses(run.folder)["iter"].tolist() == [3, 6]


def test_looking_at_the_teacher_changes_nothing(run_in, tiny_scale, tmp_path):
    """Nor do weights, optimizer and statistics of a run differ that is stopped while it looks."""
    row = load_experiments().rows["gbss"]
    unwatched = replace(tiny_scale.schedule, validation_interval=0)
    blind = run_in(tmp_path / "blind", row=row, scale=replace(tiny_scale, schedule=unwatched))
    watched = run_in(tmp_path / "watched", row=row)
    train(blind)
    assert read_progress(blind.folder).ap_iteration is None

    def stop(self, data_batch, data_samples):
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TeacherAP, "process", stop)
        with pytest.raises(Stopped, match="after iteration 4"):
            train(watched)
    stopped = read_progress(watched.folder)
    assert (stopped.state, stopped.iteration, stopped.ap_iteration) == ("stopped", 4, None)
    train(watched)
    one, two = (read_checkpoint(checkpoint_files(each.folder)[0]) for each in (blind, watched))
    assert same(one["state_dict"], two["state_dict"])
    momenta = [each["optimizer"]["state"] for each in (one, two)]
    assert momenta[0].keys() == momenta[1].keys() != set()
    assert all(same(momenta[0][key], momenta[1][key]) for key in momenta[0])

    whole = run_in(tmp_path / "whole", row=row)
    train(whole)
    assert read_progress(whole.folder).ap_iteration == 4
    assert same(weights(whole), weights(blind))


def test_a_run_that_failed_by_its_own_fault_is_not_repeated(run_in, tmp_path, monkeypatch):
    run = run_in(tmp_path / "run")

    def invalid(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 2:
            raise fail("iteration 3", found="NaN", expected="a finite loss", fix="slower")

    with monkeypatch.context() as patch:
        patch.setattr(InvalidLossHook, "after_train_iter", invalid)
        with pytest.raises(GbssError, match="found:    NaN"):
            train(run)
    assert read_failure(run.folder).iteration == 2
    with pytest.raises(GbssError, match=r"failed after iteration 2(.|\n)*NaN(.|\n)*--again"):
        train(run)
    train(run, again=True)
    assert read_failure(run.folder) is None
    assert read_progress(run.folder).state == "finished"


def test_a_checkpoint_that_does_not_fit_is_refused(run_in, tmp_path):
    run = run_in(tmp_path / "run")
    train(run)
    last = checkpoint_files(run.folder)[0]
    content = read_checkpoint(last)
    state = content["state_dict"]
    name = next(name for name in state if name.endswith("fc_cls.weight"))
    state["stranger"] = state.pop(name)
    torch.save(content, last)
    with pytest.raises(GbssError) as caught:
        train(run)
    assert f"checkpoint: {name}\n    found:    nothing" in str(caught.value)
    assert "checkpoint: stranger" in str(caught.value)


def test_the_configuration_is_laid_out_once(run_in, tmp_path, monkeypatch):
    texts = []

    def count(text, **settings):
        texts.append(text)
        return original(text, **settings)

    original = yapf_api.FormatCode
    run = run_in(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(yapf_api, "FormatCode", count)
        train(run)
        detect(run, run.detections)
    assert len(texts) == 1
    kept = Config.fromfile(run.folder / "config.py")
    assert kept.pretty_text == (run.folder / "config.py").read_text()
    assert kept.randomness == {"seed": 3}


def test_a_run_leaves_its_settings_and_becomes_a_record(run_in, tmp_path):
    run = run_in(tmp_path / "run")
    train(run)
    manifest = json.loads(run.manifest.read_text())
    assert manifest["training"]["iterations"] == 6
    assert manifest["settings"]["config"]["randomness"] == {"seed": 3}
    assert manifest["versions"]["torch"].startswith("2.")

    detect(run, run.detections)
    found = list(read_detections(run.detections).entries())
    known = {image["id"] for image in json.loads(run.inputs.val.read_text())["images"]}
    assert {entry["image_id"] for entry in found} <= known

    record(run, tmp_path / "record.json")
    published = run_record.read(tmp_path / "record.json")
    assert published["run"] == run.name
    assert published["training"]["processes"] == 1
    assert set(published["inputs"]) == {"labeled", "unlabeled", "backbone", "val"}
    assert published["groups"]["minority"]["classes"] == 4

    train(run)  # finished: nothing is trained again
    assert json.loads(run.manifest.read_text())["training"]["iterations"] == 6


def test_weights_of_another_run_or_of_other_settings_are_refused(run_in, tmp_path):
    run = run_in(tmp_path / "run")
    with pytest.raises(GbssError, match="train the run first"):
        detect(run, run.detections)
    run.folder.mkdir(exist_ok=True)
    config = plain(resolve(run.task, run.row, run.scale, run.seed, run.inputs, run.folder))
    good = {"run": run.name, "identity": run.identity(config)}
    for meta in (good | {"run": run.name | {"seed": 9}}, good | {"identity": "0" * 64}):
        torch.save({"state_dict": {}, "meta": meta}, run.model)
        with pytest.raises(GbssError, match="train the run"):
            detect(run, run.detections)
    torch.save({"state_dict": {}, "meta": good}, run.model)
    with pytest.raises(RuntimeError, match="Missing key"):
        detect(run, run.detections)
    assert not run.detections.exists()
    assert not list(run.folder.glob(".detect-*"))


def test_runners_within_one_second_are_apart(run_in, built, tmp_path, monkeypatch):
    second = SimpleNamespace(time=lambda: 1e9, strftime=time.strftime, localtime=time.localtime)
    monkeypatch.setattr("mmengine.runner.runner.time", second)
    run = run_in(tmp_path / "run")
    one, other = (built(run)[0] for _ in range(2))
    assert one.timestamp == other.timestamp
    for part in ("logger", "message_hub", "visualizer"):
        assert getattr(one, part) is not getattr(other, part)
    train(run)
    # mmengine's files lie in a folder that is gone when a detection has ended.
    files = [tmp_path / name for name in ("first.npz", "second.npz")]
    for file in files:
        detect(run, file)
    first, second = (list(read_detections(file).entries()) for file in files)
    assert first == second != []


def test_images_that_are_missing_are_noticed_before_training(run_in, tmp_path, folder):
    run = run_in(tmp_path / "run")
    name = json.loads(run.inputs.unlabeled.read_text())["images"][3]["file_name"]
    image = folder / "train" / name
    aside = image.rename(image.with_suffix(".aside"))
    try:
        with pytest.raises(GbssError, match=f"1 files are missing, the first is {name}"):
            train(run)
    finally:
        aside.rename(image)
    assert not run.manifest.exists()


def test_an_image_that_breaks_later_ends_the_run_with_its_name(run_in, tmp_path, folder):
    run = run_in(tmp_path / "run")
    contents = {path: path.read_bytes() for path in (folder / "train").iterdir()}
    try:
        for path in contents:
            path.write_bytes(b"no image")
        with pytest.raises(GbssError, match="an image that OpenCV can read"):
            train(run)
    finally:
        for path, content in contents.items():
            path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("row", ["soft-teacher", "gbss"])
def test_two_processes_train_the_run_of_one(run_in, tmp_path, row):
    row = load_experiments().rows[row]
    scale = run_in(tmp_path).scale
    scale = replace(scale, batch=replace(scale.batch, parts=2))
    run = run_in(tmp_path / "run", row=row, scale=scale)
    (tmp_path / "run.pickle").write_bytes(pickle.dumps(run))
    script = tmp_path / "two.py"
    script.write_text(
        "import pickle, sys\n"
        "from gbss.engine.train import train\n"
        "train(pickle.load(open(sys.argv[1], 'rb')))\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, str(script), str(tmp_path / "run.pickle")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("6/6 iterations") == 1
    assert len(checkpoint_files(run.folder)) == 2
    assert json.loads(run.manifest.read_text())["training"]["iterations"] == 6
    assert read_progress(run.folder).processes == 2
    alone = run_in(tmp_path / "alone", row=row, scale=scale)
    train(alone)
    # To the last bit, as a sum of two does not depend on their order.
    assert same(weights(run), weights(alone))


SLOW = """
import sys, time
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed as dist
from gbss.engine import train as engine

rank = int(sys.argv[1])
torch.cuda.is_available = lambda: False
dist.init_process_group = partial(dist.init_process_group, timeout=timedelta(seconds=3))
hook = SimpleNamespace()
config = SimpleNamespace(
    launcher="pytorch",
    custom_hooks=[hook],
    env_cfg=SimpleNamespace(dist_cfg=SimpleNamespace(backend="gloo")),
)
folder = Path(sys.argv[2])
run = SimpleNamespace(folder=folder, scale=SimpleNamespace(batch=SimpleNamespace(parts=2)))


def prepare(*_, again):
    time.sleep(4)
    return None, "an identity"


def learn(*_):
    assert hook.identity == "an identity"
    if "hangs" in sys.argv and rank == 0:
        time.sleep(60)
    dist.barrier()


run.task = run.row = run.seed = run.inputs = None
engine.resolve = lambda *_: config
engine.limit_threads = lambda *_: None
engine._prepare = prepare
engine._read_from_stage = lambda *_: time.sleep(4 * rank)
engine._train = learn
(folder / f"imported-{rank}").touch()
while not (folder / f"imported-{1 - rank}").exists():
    time.sleep(0.05)
engine.train(run)
"""


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, True])
def test_processes_wait_for_a_slow_start_but_not_for_one_that_hangs(tmp_path, hangs):
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    environment = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SLOW, str(rank), str(tmp_path), *["hangs"] * hangs],
            env=environment | {"RANK": str(rank), "MASTER_PORT": str(port)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = processes[1].communicate(timeout=120)[1]
        if hangs:
            assert processes[1].returncode == 1
            assert "learn" in said
            assert "Timed out" in said
            assert processes[0].poll() is None
        else:
            assert processes[1].returncode == 0, said
            assert processes[0].wait(timeout=120) == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()
