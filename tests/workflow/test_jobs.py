"""Which jobs a change starts; a stand-in for `gbss` writes the files that the rules want."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from gbss.experiments import load_experiments
from gbss.grid import Grid
from gbss.grid.cost import Costs
from gbss.grid.place import results_of
from gbss.grid.plan import make_plan
from gbss.reporting.figure_files import figure_files
from gbss.scales import load_scale

STAND_IN = """#!/bin/bash
set -e
new() { mkdir -p "$(dirname "$1")"; echo "$RANDOM" > "$1"; }
run() { echo "build/$3/runs/mini-coco/$5/seed-$7"; }
case $1 in
    draw) for name in train val; do new build/data/$2/$name.json; done ;;
    split) for name in labeled unlabeled unlabeled_hidden val; do
        new build/splits/$2/$name.json; done ;;
    labels) new build/splits/$2/all.json ;;
    pretrain) new build/$3/backbone.pth ;;
    train)
        while [ -e slow ]; do touch started; sleep 0.1; done
        [ ! -e broken ] && new $(run "$@")/model.pth ;;
    detect) [ ! -e blind ] && new $(run "$@")/detections.npz ;;
    pseudo-labels) new $(run "$@")/pseudo_labels.npz ;;
    class-logits) new $(run "$@")/class_logits.npz ;;
    record) new $9 ;;
    table) for suffix in md csv tex; do new $6/tables/$4/$2.$suffix; done ;;
    report) echo "$@" > reported ;;
    *) exit 1 ;;
esac
"""
TARGETS = ("table_beta", "table_solver")


class Checkout:
    """A copy of what Snakemake reads, where every command is the stand-in."""

    def __init__(self, repository, folder):
        self.folder = folder
        for name in ("gbss", "workflow"):
            shutil.copytree(
                repository / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        for name in ("Snakefile", "environment.yml"):
            shutil.copy(repository / name, folder)
        stand_in = folder / "bin/gbss"
        stand_in.parent.mkdir()
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)

    def start(self, *arguments):
        profile = ("--profile", "workflow/profiles/smoke")
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *profile, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": str(self.folder), "PATH": path},
            cwd=self.folder,
            start_new_session=True,
        )

    def snakemake(self, *arguments, code=0):
        workflow = self.start(*arguments)
        said = workflow.communicate()[0]
        assert workflow.returncode == code, said
        return said

    def jobs(self, *arguments):
        """Rule → number of jobs that would start, targets left out."""
        said = self.snakemake("-n", *arguments)
        stats = re.search(r"^job +count\n-+ +-+\n(.*?)^total", said, re.MULTILINE | re.DOTALL)
        counts = {} if stats is None else dict(re.findall(r"^(\w+) +(\d+)$", stats[1], re.M))
        return {
            rule: int(count)
            for rule, count in counts.items()
            if not rule.startswith(("table_", "row_", "figure_", "all"))
        }

    def edit(self, name, old, new, count=1):
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, count))


@pytest.fixture
def finished(repository, tmp_path):
    """A checkout whose β and solver tables are done."""
    checkout = Checkout(repository, tmp_path)
    checkout.snakemake("--cores", "2", "--quiet", "all", "--", *TARGETS)
    return checkout


def one_row(tables):
    return {"train": 2, "detect": 2, "evaluate": 2, "publish": 2, "table": tables}


@pytest.mark.slow
def test_each_change_starts_the_jobs_that_it_concerns(finished):
    experiments = "workflow/experiments.yaml"
    assert finished.jobs(*TARGETS) == {}

    finished.edit(experiments, "label: GbSS, β = 0.3", "label: GbSS, gentle")
    assert finished.jobs(*TARGETS) == {"table": 1}
    finished.edit(experiments, "label: GbSS, gentle", "label: GbSS, β = 0.3")

    finished.edit(experiments, "    beta: 0.3\n", "    beta: 0.4\n")
    assert finished.jobs(*TARGETS) == one_row(1)
    finished.edit(experiments, "    beta: 0.4\n", "    beta: 0.3\n")

    # Another order of tables, and another row in front, change nothing that is trained.
    text = (finished.folder / experiments).read_text()
    head, solver, rest = re.split(r"(?m)(^  solver:\n(?:    .*\n)+)", text, maxsplit=1)
    moved = head.replace("tables:\n", f"tables:\n{solver}", 1) + rest
    (finished.folder / experiments).write_text(moved)
    assert finished.jobs(*TARGETS) == {}
    (finished.folder / experiments).write_text(text)

    finished.edit("workflow/config/smoke.yaml", "seeds: [1, 2]", "seeds: [1, 2, 9]")
    new_seed = dict.fromkeys(("train", "detect", "evaluate", "publish"), 4)
    assert finished.jobs(*TARGETS) == new_seed | {"table": 2}
    finished.edit("workflow/config/smoke.yaml", "seeds: [1, 2, 9]", "seeds: [1, 2]")

    (finished.folder / "build/smoke/runs/mini-coco/gbss-direct/seed-2/model.pth").unlink()
    assert finished.jobs(*TARGETS) == {}, "what was made from the weights is there"
    record = finished.folder / "build/smoke/results/runs/smoke/mini-coco/gbss-direct/seed-1.json"
    record.unlink()
    assert finished.jobs("row_gbss_direct") == {"publish": 1}
    assert finished.jobs("row_gbss_gamma_1")["train"] == 2


@pytest.mark.slow
def test_published_records_of_a_fresh_clone_are_used(finished):
    shutil.copytree(finished.folder / "build/smoke/results/runs", finished.folder / "results/runs")
    shutil.rmtree(finished.folder / "build")
    shutil.rmtree(finished.folder / ".snakemake")
    assert finished.jobs("--config", "scale=smoke", "results=results", "--", *TARGETS) == {
        "table": 2
    }


def test_published_records_are_not_made_again_for_the_sake_of_new_ones(repository, tmp_path):
    checkout = Checkout(repository, tmp_path)
    for row in ("gbss", "gbss-beta-03", "gbss-direct"):
        folder = f"results/runs/demo/mini-coco/{row}"
        shutil.copytree(repository / folder, tmp_path / folder)
    config = ("--config", "scale=demo", "results=results", "--")
    first = {"draw": 1, "split": 1, "pretrain": 1}
    runs = dict.fromkeys(("train", "detect", "evaluate", "publish"), 3)
    assert checkout.jobs(*config, *TARGETS) == first | runs | {"table": 2}

    record = tmp_path / "results/runs/demo/mini-coco/gbss-direct/seed-2.json"
    record.unlink()
    runs = dict.fromkeys(runs, 4)
    assert checkout.jobs(*config, *TARGETS) == first | runs | {"table": 2}


def test_a_published_figure_is_not_made_from_new_runs(repository, tmp_path):
    checkout = Checkout(repository, tmp_path)
    for row in ("gbss", "soft-teacher-rfs"):
        folder = f"results/runs/demo/mini-coco/{row}"
        shutil.copytree(repository / folder, tmp_path / folder)
    drawn = tmp_path / "results/figures/demo/gradient-norms"
    drawn.parent.mkdir(parents=True)
    for suffix in ("csv", "pdf", "png"):
        drawn.with_suffix(f".{suffix}").write_text("")
    config = ("--config", "scale=demo", "results=results", "--")
    assert checkout.jobs(*config, "figure_gradient_norms") == {}

    drawn.with_suffix(".pdf").unlink()
    assert checkout.jobs(*config, "figure_gradient_norms") == {"figure": 1}
    drawn.with_suffix(".csv").unlink()  # no output, but what it is drawn from
    assert checkout.jobs(*config, "figure_gradient_norms")["train"] == 6


def plan(checkout, *targets, scale="smoke", results=None):
    """Rule → number of jobs, as `gbss plan` counts them."""
    scale = load_scale(scale)
    experiments = load_experiments(checkout.folder / "workflow/experiments.yaml")
    grid, costs = Grid(scale, experiments), Costs(scale, [])
    results = results or results_of(scale.scale)
    return make_plan(grid, targets, results, costs, figure_files(grid, results)).jobs


@pytest.mark.slow
def test_a_plan_counts_the_jobs_of_snakemake(repository, tmp_path, monkeypatch):
    checkout = Checkout(repository, tmp_path)
    monkeypatch.chdir(tmp_path)
    targets = ("all_tables", "row_classifier_retraining", "all_figures", "report", "all")
    counts = {target: plan(checkout, target) for target in targets}
    assert counts == {target: checkout.jobs(target) for target in targets}
    # A start is trained and no more; a figure of panels wants one run of each row.
    first = {"draw": 1, "split": 1, "pretrain": 1, "train": 4}
    runs = dict.fromkeys(("detect", "evaluate", "publish"), 2)
    assert counts["row_classifier_retraining"] == first | runs
    assert counts["all_figures"]["train"] == 21
    assert counts["all"] == counts["report"]
    assert counts["all"]["report"] == 1

    assert plan(checkout, *TARGETS) == checkout.jobs(*TARGETS)
    checkout.snakemake("--cores", "2", "--quiet", "all", "--", "row_gbss", "row_gbss_beta_1")
    assert plan(checkout, *TARGETS) == checkout.jobs(*TARGETS)
    assert plan(checkout, *TARGETS)["train"] == 4
    assert plan(checkout, "all") == checkout.jobs("all")


@pytest.mark.slow
def test_a_plan_counts_the_jobs_of_a_clone_with_records(repository, tmp_path, monkeypatch):
    checkout = Checkout(repository, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("results/runs/demo", "results/tables/demo"):
        shutil.copytree(repository / name, tmp_path / name)
    config = ("--config", "scale=demo", "results=results", "--")

    def counts(target):
        found = plan(checkout, target, scale="demo", results=Path("results"))
        assert found == checkout.jobs(*config, target), target
        return found

    counts("all_tables")
    counts("all")
    assert counts("table_beta") == {}
    # A row that has changed since its records were published is trained again.
    checkout.edit("workflow/experiments.yaml", "    beta: 0.3\n", "    beta: 0.4\n")
    first = {"draw": 1, "split": 1, "pretrain": 1}
    runs = dict.fromkeys(("train", "detect", "evaluate", "publish"), 3)
    assert counts("table_beta") == first | runs | {"table": 1}


@pytest.mark.slow
def test_a_changed_row_whose_training_failed_is_trained_again(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    experiments = "workflow/experiments.yaml"
    load = partial(load_experiments, finished.folder / experiments)
    settings = load_scale("smoke").settings(load().rows["gbss-beta-03"])
    places = Grid(load_scale("smoke"), load()).places([load().rows["gbss-beta-03"]])
    for place in places:
        for path in (place.manifest, place.evaluated, place.record(results_of("smoke"))):
            path.write_text(json.dumps({"settings": settings}))
    finished.snakemake("--cores", "2", "--quiet", "all", "--", *TARGETS)
    assert finished.jobs(*TARGETS) == plan(finished, *TARGETS) == {}

    finished.edit(experiments, "    beta: 0.3\n", "    beta: 0.4\n")
    assert finished.jobs(*TARGETS) == plan(finished, *TARGETS) == one_row(1)
    (finished.folder / "broken").touch()
    assert not (finished.folder / "reported").exists()
    finished.snakemake("--cores", "2", "--quiet", "all", "--", *TARGETS, code=1)
    # What there is can be seen, although the tables wait for the run that failed.
    arguments = "report --tables --scale smoke --results build/smoke/results\n"
    assert (finished.folder / "reported").read_text() == arguments
    assert finished.jobs(*TARGETS) == plan(finished, *TARGETS) == one_row(1)
    # Now it is the detection that fails, and what is trained stays.
    (finished.folder / "broken").rename(finished.folder / "blind")
    finished.snakemake("--cores", "2", "--quiet", "all", "--", *TARGETS, code=1)
    changed = load_scale("smoke").settings(load().rows["gbss-beta-03"])
    for place in places:
        place.manifest.write_text(json.dumps({"settings": changed}))
    assert finished.jobs(*TARGETS) == plan(finished, *TARGETS)
    assert plan(finished, *TARGETS) == {k: n for k, n in one_row(1).items() if k != "train"}


@pytest.mark.slow
def test_a_killed_workflow_is_started_again_and_a_second_one_is_refused(repository, tmp_path):
    checkout = Checkout(repository, tmp_path)
    started = tmp_path / "started"
    (tmp_path / "slow").touch()
    workflow = checkout.start("--cores", "2", "--", "row_gbss")
    while not started.exists():
        assert workflow.poll() is None, workflow.communicate()[0]
        time.sleep(0.1)
    said = checkout.snakemake("--cores", "2", "--", "row_gbss", code=1)
    assert f"another process is running a workflow in this folder: process {workflow.pid}" in said
    os.killpg(workflow.pid, signal.SIGKILL)
    workflow.communicate()
    (tmp_path / "slow").unlink()
    checkout.snakemake("--cores", "2", "--", "row_gbss")
    assert checkout.jobs("row_gbss") == {}
