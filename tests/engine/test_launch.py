import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from gbss.cli import main, runs
from gbss.engine import launch as launching
from gbss.engine.launch import claim_gpus, launch
from gbss.errors import GbssError, Stopped
from gbss.locks import locked
from gbss.notes import read_failure
from gbss.scales import load_scale


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in (
        "RANK",
        "SLURM_JOB_ID",
        "SLURM_STEP_ID",
        "CUDA_VISIBLE_DEVICES",
        launching.RENDEZVOUS,
    ):
        monkeypatch.delenv(name, raising=False)


def paper(**changes):
    scale = load_scale("paper")
    train = replace(scale.resources["train"], **changes)
    return replace(scale, resources={**scale.resources, "train": train})


def test_one_process_trains_itself(capsys):
    launch(load_scale("smoke"), None, ["train"])
    assert capsys.readouterr().err == ""


def test_several_nodes_are_started_once_each(monkeypatch, capsys):
    called = []

    def become(name, command):
        called.append(command)
        raise SystemExit

    monkeypatch.setattr(os, "execvp", become)
    monkeypatch.setenv("SLURM_JOB_ID", "20017")
    with pytest.raises(SystemExit):
        launch(paper(nodes=2, gpu=0, processes=4), None, ["train", "--seed", "1"])
    assert called[0][:4] == ["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]
    assert called[0][-5:] == ["-m", "gbss", "train", "--seed", "1"]
    assert os.environ[launching.RENDEZVOUS].endswith(":20017")
    assert "1 of 8 parts on each of 8 processes; learning rate 0.01" in capsys.readouterr().err
    monkeypatch.delenv(launching.RENDEZVOUS)
    monkeypatch.delenv("SLURM_JOB_ID")
    with pytest.raises(GbssError, match="several nodes within a Slurm job only"):
        launch(paper(nodes=2, gpu=0), None, ["train"])


@pytest.fixture
def three_gpus(monkeypatch, tmp_path):
    """A machine with three GPUs, none of which is claimed."""
    monkeypatch.setattr(launching.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(launching, "_devices", lambda: 3)
    monkeypatch.setattr(launching, "_claims", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # undone at the end
    yield
    for stream in launching._claims:
        stream.close()


def claimed_by_another(tmp_path, **environment):
    other = (
        "import json, os\nfrom gbss.engine import launch\n"
        "launch._devices = lambda: 3\nlaunch.claim_gpus(1)\n"
        "print(json.dumps(os.environ['CUDA_VISIBLE_DEVICES']))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": "", **environment}
    done = subprocess.run(
        [sys.executable, "-c", other], capture_output=True, text=True, env=environment
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("slurm", [None, "17"])
def test_jobs_of_one_machine_get_different_gpus(monkeypatch, tmp_path, three_gpus, slurm):
    if slurm:  # an allocation in which a workflow runs
        monkeypatch.setenv("SLURM_JOB_ID", slurm)
    claim_gpus(2)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert claimed_by_another(tmp_path) == "2"


@pytest.mark.parametrize("other", [{"SLURM_JOB_ID": "18"}, {"SLURM_STEP_ID": "4"}])
def test_slurm_jobs_and_steps_have_gpus_of_their_own(monkeypatch, tmp_path, three_gpus, other):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    claim_gpus(3)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1,2"
    assert claimed_by_another(tmp_path, **other) == "0"


def test_every_command_that_looks_at_images_claims_a_gpu(monkeypatch, three_gpus):
    def stop(_):
        raise Stopped("as far as the claim", 0)

    monkeypatch.setattr(runs, "_run", stop)
    for number, name in enumerate(("detect", "pseudo-labels", "class-logits")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        main([name, "--scale", "paper", "--row", "gbss", "--seed", "1"])
        assert os.environ["CUDA_VISIBLE_DEVICES"] == str(number)


def test_a_machine_that_cannot_train_is_told_in_the_folder_of_the_run(
    monkeypatch, tmp_path, capsys
):
    """A broken driver may be another machine's tomorrow; operators without CUDA are not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launching.torch.version, "cuda", "13.0")
    operators = SimpleNamespace(get_compiling_cuda_version=lambda: "not available")
    monkeypatch.setitem(sys.modules, "mmcv._ext", operators)
    command = ["train", "--scale", "smoke", "--row", "gbss", "--seed", "2", "--gpus", "1"]
    folder = tmp_path / "build/smoke/runs/mini-coco/gbss/seed-2"
    for devices, expected in ((0, "no GPU is visible on "), (2, "compiled without CUDA")):
        monkeypatch.setattr(launching.torch.cuda, "device_count", lambda count=devices: count)
        (folder / "failed.json").unlink(missing_ok=True)
        assert main(command) == 1
        assert expected in capsys.readouterr().err
        failure = read_failure(folder)
        assert expected in failure.error
        assert failure.stops == (devices == 2)
    assert "operators compiled with the toolkit of CUDA 13.0" in failure.error

    # Another process trains this run, or has: it did not fail.
    (folder / "failed.json").unlink()
    with locked(folder, "training"):
        assert main(command) == 1
    (folder / "model.pth").touch()
    assert main(command) == 1
    assert "compiled without CUDA" in capsys.readouterr().err
    assert read_failure(folder) is None
