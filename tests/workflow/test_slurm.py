"""The workflow on a real Slurm: skipped, with the reason, where there is none."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import torch
import yaml

from gbss.detection.checkpoints import read_checkpoint
from gbss.evaluation import record as run_record
from gbss.notes import read_progress

INTERVAL, ITERATIONS = 10, 150


def _ask(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


@pytest.fixture
def partition():
    """The default partition of a Slurm that answers and has GPUs, stand-ins included."""
    if shutil.which("sinfo") is None:
        pytest.skip("Slurm is not installed (no sinfo)")
    command = ["sinfo", "--noheader", "--format=%P %a %G"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode:
        pytest.skip(f"Slurm does not answer: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        name, state, gres = line.split(maxsplit=2)
        if name.endswith("*") and state == "up" and "gpu" in gres:
            return name.rstrip("*")
    return pytest.skip("Slurm has no default partition with GPUs")


@pytest.fixture
def start(repository, partition):
    """Starts a workflow in a folder; it can be killed without the processes around it."""

    def call(folder, *arguments):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile")]
        command += ["--profile", str(repository / "slurm"), "--directory", str(folder)]
        command += ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "GBSS_PARTITION": partition}
        with (folder / "said.log").open("a") as stream:
            return subprocess.Popen(
                [*command, *arguments],
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )

    return call


@pytest.mark.slow
def test_from_nothing_to_tables(start, partition, tmp_path):
    resources = ["--set-resources", "train:gpu=1", "detect:gpu=1"]
    workflow = start(tmp_path, "table_solver", *resources, "--config", "scale=smoke")
    asked: dict[str, str] = {}
    while workflow.poll() is None:
        for line in _ask("scontrol", "show", "job", "--oneliner").splitlines():
            if f"WorkDir={tmp_path} " in line and (found := re.search(r"Comment=(\S+)", line)):
                asked[found[1]] = line
        time.sleep(2)
    assert workflow.returncode == 0, (tmp_path / "said.log").read_text()

    trainings = [line for comment, line in asked.items() if comment.startswith("rule_train_")]
    assert len(trainings) == 4
    for line in trainings:
        assert "gres:gpu:1" in line
        assert f"Partition={partition} " in line
        assert "TimeLimit=00:10:00" in line
        assert "NumCPUs=1 " in line
        assert "JobName=gbss_" in line
    tables = tmp_path / "build/smoke/results/tables/smoke"
    row = next(
        line
        for line in (tables / "solver.md").read_text().splitlines()
        if line.startswith("| GbSS |")
    )
    assert "missing" not in row
    record = run_record.read(tmp_path / "build/smoke/results/runs/smoke/mini-coco/gbss/seed-2.json")
    assert record["training"]["iterations"] == 12


@pytest.fixture
def scale(repository, tmp_path):
    """The smoke scale with one seed and trainings long enough to be disturbed."""
    content = yaml.safe_load((repository / "workflow/config/smoke.yaml").read_text())
    content |= {"scale": "long", "seeds": [1]}
    content["batch"] |= {"labeled": 2, "unlabeled": 2}
    content["schedule"] |= {
        "iterations": ITERATIONS,
        "checkpoint_interval": INTERVAL,
        "decay": [120],
        "log_interval": 1,
    }
    content["resources"]["train"]["gpu"] = 1
    path = tmp_path / "long.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _training(folder, workflow, since):
    """Slurm's job and the progress of a training that has told of itself after ``since``."""
    until = time.time() + 300
    while time.time() < until:
        assert workflow.poll() is None, (folder / "said.log").read_text()
        alive = _ask("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()
        for run in (folder / "build/long/runs/mini-coco").glob("*/seed-1"):
            told = read_progress(run)
            fresh = told and told.state == "training" and told.time > since and told.iteration > 2
            if fresh and told.job in alive and told.iteration < ITERATIONS - 15:
                return told
        time.sleep(0.5)
    raise AssertionError(f"no training within 300 s; {(folder / 'said.log').read_text()}")


def _iterations(run):
    """Iteration → how often it was trained."""
    logs = "".join(path.read_text() for path in run.glob("2*/*.log"))
    return Counter(int(number) for number in re.findall(r"Iter\(train\) +\[ *(\d+)/", logs))


@pytest.mark.slow
def test_a_disturbed_workflow_ends_like_one_that_was_left_alone(start, scale, tmp_path):
    disturbed, alone = tmp_path / "disturbed", tmp_path / "alone"
    for folder in (disturbed, alone):
        folder.mkdir()
    target = ["table_solver", "--config", f"scale={scale}"]
    workflow, since = start(disturbed, *target), 0.0
    for disturb in (["scancel"], ["scontrol", "requeue"], "kill"):
        told = _training(disturbed, workflow, since)
        if disturb == "kill":
            kill = ["kill", "-9", str(told.pid)]
            _ask("srun", f"--jobid={told.job}", "--overlap", "--gpus=0", *kill)
        else:
            _ask(*disturb, told.job)
        since = time.time() + 3
    _training(disturbed, workflow, since)
    os.killpg(workflow.pid, signal.SIGKILL)
    assert workflow.wait() == -signal.SIGKILL
    assert start(disturbed, *target).wait() == 0, (disturbed / "said.log").read_text()
    assert start(alone, *target).wait() == 0, (alone / "said.log").read_text()

    repeated, starts = 0, Counter()
    for row in ("gbss", "gbss-direct"):
        runs = [folder / f"build/long/runs/mini-coco/{row}/seed-1" for folder in (disturbed, alone)]
        counts = _iterations(runs[0])
        assert sorted(counts) == sorted(_iterations(runs[1])) == list(range(1, ITERATIONS + 1))
        repeated += counts.total() - ITERATIONS
        for folder, run in zip((disturbed, alone), runs, strict=True):
            starts[folder] += len([*run.glob("2*.py")])
        first, second = (read_checkpoint(run / "model.pth")["state_dict"] for run in runs)
        assert all(torch.equal(first[name], second[name]) for name in second)
    # The last disturbance may have met both trainings.
    assert starts[alone] == 2
    assert starts[disturbed] in (6, 7)
    # Of these only SIGKILL leaves a training no time for a checkpoint.
    assert repeated <= INTERVAL
    results = "build/long/results/tables/long"
    for path in sorted((alone / results).iterdir()):
        assert path.read_bytes() == (disturbed / results / path.name).read_bytes()
