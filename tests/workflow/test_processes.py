"""Training with several processes on a CPU through the rule that a cluster uses, too."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from gbss.detection.checkpoints import read_checkpoint
from gbss.notes import read_failure, read_progress

RUN = "build/two/runs/mini-coco/gbss/seed-1"


@pytest.fixture
def scale(repository, tmp_path):
    """The smoke scale with a batch of two parts, for so many processes."""

    def write(processes):
        content = yaml.safe_load((repository / "workflow/config/smoke.yaml").read_text())
        content |= {"scale": "two", "seeds": [1]}
        content["batch"] |= {"parts": 2, "labeled": 2, "unlabeled": 2}
        content["schedule"] |= {
            "iterations": 30,
            "checkpoint_interval": 20,
            "decay": [20],
            "validation_interval": 20,
        }
        content["resources"]["train"]["processes"] = processes
        path = tmp_path / f"{processes}.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


@pytest.fixture
def start(repository, tmp_path):
    """Starts the training through Snakemake."""

    def call(scale):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile")]
        command += ["--profile", str(repository / "workflow/profiles/smoke"), "--cores", "2"]
        command += ["--directory", str(tmp_path), f"{RUN}/model.pth", "--config", f"scale={scale}"]
        with (tmp_path / "said.log").open("a") as stream:
            return subprocess.Popen(
                command,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )

    return call


@pytest.mark.slow
def test_two_processes_stop_resume_and_end_like_one(scale, start, tmp_path):
    said, run = tmp_path / "said.log", tmp_path / RUN
    workflow = start(scale(2))
    while workflow.poll() is None:
        # The file of progress is written more seldom than the lines.
        progress = read_progress(run)
        if progress and "gbss, seed 1: 3/30 iterations" in said.read_text():
            os.kill(progress.pid, signal.SIGTERM)  # the first process alone
            break
        time.sleep(0.05)
    assert workflow.wait() == 1, said.read_text()
    stopped = read_progress(run)
    assert (stopped.state, stopped.processes) == ("stopped", 2), said.read_text()
    assert 3 <= stopped.iteration < 20
    assert read_failure(run) is None
    assert "1 of 2 parts on each of 2 processes" in said.read_text()

    assert start(scale(2)).wait() == 0, said.read_text()
    assert f"goes on after iteration {stopped.iteration}" in said.read_text()
    two = read_checkpoint(run / "model.pth")["state_dict"]
    assert read_progress(run).ap_iteration == 20

    run.rename(tmp_path / "two")
    assert start(scale(1)).wait() == 0, said.read_text()
    assert read_progress(run).processes == 1
    assert said.read_text().count("AP after iteration 20: all") == 2
    one = read_checkpoint(run / "model.pth")["state_dict"]
    assert all(torch.equal(one[name], two[name]) for name in one)
