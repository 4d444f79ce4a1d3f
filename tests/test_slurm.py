import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from gbss import slurm
from gbss.errors import GbssError

SQUEUE = """#!/bin/sh
if [ -e "$0.broken" ]; then echo "error: Unable to contact slurm controller" >&2; exit 1; fi
[ -e cancelled ] || cat queue
"""
SCANCEL = """#!/bin/sh
echo "$@" > cancelled
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A folder with a queue of Slurm, which scancel empties."""
    for name, text in (("squeue", SQUEUE), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queue").write_text(
        f"17|gbss_1d2c|RUNNING|{tmp_path}|rule_train_wildcards_soft-teacher_1\n"
        f"18|gbss_1d2c|PENDING|{tmp_path}/.|rule_detect_wildcards_gbss|2\n"
        f"19|gbss_9f00|RUNNING|{tmp_path}/other|rule_train\n"
        f"20|my-own-job|RUNNING|{tmp_path}|(null)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slurm, "_held", slurm.ExitStack())
        yield tmp_path
        slurm._held.close()


def test_jobs_of_this_folder_are_cancelled_and_no_others(cluster, capsys):
    slurm.take_over(cluster)
    assert (cluster / "cancelled").read_text() == "17 18\n"
    said = capsys.readouterr().err
    assert "2 jobs of an earlier workflow" in said
    assert "17 running rule_train_wildcards_soft-teacher_1" in said
    assert "go on from their checkpoints" in said


def test_a_workflow_that_is_a_job_itself_does_not_cancel_itself(cluster, monkeypatch):
    # The executor deletes SLURM_JOB_ID before it starts.
    code = "from gbss import slurm; print(slurm.OWN_JOB)"
    environment = os.environ | {"SLURM_JOB_ID": "17"}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    monkeypatch.setattr(slurm, "OWN_JOB", told.stdout.strip())
    slurm.take_over(cluster)
    assert (cluster / "cancelled").read_text() == "18\n"


def test_an_empty_queue_needs_nothing(cluster, capsys):
    (cluster / "queue").write_text("")
    slurm.take_over(cluster)
    assert not (cluster / "cancelled").exists()
    assert capsys.readouterr().err == ""


def test_jobs_that_do_not_end_are_named(cluster, monkeypatch):
    monkeypatch.setattr(slurm, "ENDING", 0.0)
    (cluster / "scancel").write_text("#!/bin/sh\n")
    with pytest.raises(GbssError, match="cancelled jobs that do not end: 17, 18"):
        slurm.take_over(cluster)


def test_a_controller_that_does_not_answer_is_waited_for(cluster):
    (cluster / "squeue.broken").touch()
    with pytest.raises(GbssError, match=r"Unable to contact slurm controller(.|\n)*squeue --me"):
        slurm.take_over(cluster)


def test_a_second_workflow_in_the_same_folder_is_refused_and_cancels_nothing(cluster):
    slurm.alone_in(cluster)
    script = "import pathlib\nfrom gbss import slurm\nslurm.alone_in(pathlib.Path.cwd())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert f"running a workflow in this folder: process {os.getpid()}" in done.stderr
    assert not (cluster / "cancelled").exists()


@pytest.fixture
def executor():
    """Snakemake's executor, which is put back as it was."""
    module = pytest.importorskip("snakemake_executor_plugin_slurm")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("query_job_status", "get_min_job_age"):
            patch.setattr(module, name, getattr(module, name))
        patch.setattr(module.Executor, "run_jobs", module.Executor.run_jobs)
        patch.setattr(slurm, "PAUSE", 0.01)
        yield module


def test_a_question_that_fails_is_asked_again(executor, monkeypatch, capsys):
    answers = [(None, None), (None, None), ({"17": "RUNNING"}, 0.1)]

    async def ask(command, logger):
        return answers.pop(0)

    monkeypatch.setattr(executor, "query_job_status", ask)
    slurm.wait_for_controller(executor)
    found = asyncio.run(executor.query_job_status("squeue --name gbss_1", None))
    assert found == ({"17": "RUNNING"}, 0.1)
    assert capsys.readouterr().err.count("`squeue` fails") == 1


def test_jobs_that_nothing_is_heard_of_have_an_end(executor, monkeypatch):
    known = {"17": "RUNNING", "18": "PREEMPTED", "19": "RUNNING", "20": "PREEMPTED"}
    later = {"17": "RUNNING", "18": "PENDING", "20": "PREEMPTED"}
    answers = [(known, 0.1), (later, 0.1), (known | {"18": "RUNNING"}, 0.1), (later, 0.1)]
    answers += [(later, 0.1), (later, 0.1)]
    clock = iter([0.0, 50.0, 100.0, 130.0, 140.0, 250.0])

    async def ask(command, logger):
        return answers.pop(0)

    monkeypatch.setattr(executor, "query_job_status", ask)
    monkeypatch.setattr(slurm, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    slurm.wait_for_controller(executor)
    found = [asyncio.run(executor.query_job_status("squeue", None))[0] for _ in range(6)]
    assert found[:3] == [known, later, known | {"18": "RUNNING"}]
    # 20 has been pre-empted for 120 s and more; 19 left the queue 30 s and 120 s ago.
    assert found[3] == found[4] == later | {"20": "FAILED"}
    assert found[5] == later | {"20": "FAILED", "19": "UNKNOWN"}


def test_a_job_that_was_never_listed_has_an_end(executor, monkeypatch):
    workflow = SimpleNamespace(active_jobs=[SimpleNamespace(external_jobid="31")])
    clock = iter([0.0, 130.0])

    async def ask(command, logger):
        return {}, 0.1

    monkeypatch.setattr(executor, "query_job_status", ask)
    monkeypatch.setattr(executor.Executor, "run_jobs", lambda self, jobs: None)
    monkeypatch.setattr(slurm, "_answers", lambda: True)
    monkeypatch.setattr(slurm, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    slurm.wait_for_controller(executor)
    executor.Executor.run_jobs(workflow, ["train"])
    found = [asyncio.run(executor.query_job_status("squeue", None))[0] for _ in range(2)]
    assert found == [{}, {"31": "UNKNOWN"}]


def test_a_lost_controller_does_not_change_whom_is_asked(executor, monkeypatch):
    ages = [900, None]
    monkeypatch.setattr(executor, "get_min_job_age", lambda: ages.pop(0))
    slurm.wait_for_controller(executor)
    assert executor.get_min_job_age() == 900


def test_jobs_are_submitted_when_slurm_answers_again(executor, cluster, monkeypatch, capsys):
    submitted = []
    broken = cluster / "squeue.broken"
    broken.touch()

    def sleep(_):
        broken.unlink()

    monkeypatch.setattr(executor.Executor, "run_jobs", lambda self, jobs: submitted.extend(jobs))
    # Not the function itself, which other threads use, too.
    monkeypatch.setattr(slurm, "time", SimpleNamespace(sleep=sleep))
    slurm.wait_for_controller(executor)
    executor.Executor.run_jobs(None, ["train"])
    assert submitted == ["train"]
    assert "jobs are ready, but `squeue` fails" in capsys.readouterr().err
