"""The workflow on a real Slurm: skipped, with the reason, where there is none."""

import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from gbss.evaluation import record as run_record


def _partition():
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


@pytest.mark.slow
def test_from_nothing_to_tables(repository, tmp_path):
    partition = _partition()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile")]
    command += [
        "--profile",
        str(repository / "slurm"),
        "--directory",
        str(tmp_path),
        "table_solver",
    ]
    command += ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10"]
    command += ["--set-resources", "train:gpu=1", "detect:gpu=1", "--config", "scale=smoke"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GBSS_PARTITION": partition}
    log = tmp_path / "said.log"
    with log.open("w") as stream:
        workflow = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment, cwd=tmp_path
        )
    asked: dict[str, str] = {}
    while workflow.poll() is None:
        jobs = ["scontrol", "show", "job", "--oneliner"]
        for line in subprocess.run(jobs, capture_output=True, text=True).stdout.splitlines():
            if f"WorkDir={tmp_path} " in line and (found := re.search(r"Comment=(\S+)", line)):
                asked[found[1]] = line
        time.sleep(2)
    assert workflow.returncode == 0, log.read_text()

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
