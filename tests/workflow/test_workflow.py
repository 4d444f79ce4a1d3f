import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from snakemake.cli import parse_args

from gbss.cli import main
from gbss.evaluation import record as run_record
from gbss.experiments import load_experiments

TABLE_FILES = (".md", ".csv", ".tex")


@pytest.fixture
def snakemake(repository, tmp_path):
    """Runs Snakemake on this checkout, with everything it writes in a temporary folder."""

    def call(*arguments, profile="workflow/profiles/smoke", code=0):
        command = [
            sys.executable,
            *("-m", "snakemake", "--snakefile", str(repository / "Snakefile")),
            *("--profile", str(repository / profile), "--directory", str(tmp_path)),
            *arguments,
        ]
        # The environment is not activated.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PATH": os.defpath}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    return call


def planned(said):
    """Rule → number of jobs of a dry run."""
    stats = re.search(r"^job +count\n-+ +-+\n(.*?)^total", said, re.MULTILINE | re.DOTALL)
    return {} if stats is None else dict(re.findall(r"^(\w+) +(\d+)$", stats[1], re.MULTILINE))


@pytest.fixture
def headline(repository):
    """The targets of `make demo` and `make smoke`."""
    makefile = (repository / "Makefile").read_text()
    return re.search(r"^HEADLINE := (.+)$", makefile, re.MULTILINE)[1].split()


def test_the_demo_from_nothing(snakemake, headline):
    assert planned(snakemake("-n", *headline, profile="workflow/profiles/demo")) == {
        "draw": "1",
        "split": "1",
        "pretrain": "1",
        "train": "9",
        "detect": "9",
        "evaluate": "9",
        "publish": "9",
        "table": "1",
        "table_headline": "1",
        "figure": "2",
        "figure_learning_curves": "1",
        "figure_class_weights_over_training": "1",
    }


@pytest.fixture
def coco(tmp_path):
    """Where the paper's scale looks for COCO and LVIS; all there, as far as names tell."""
    root = tmp_path / "data/coco"
    for folder in ("annotations", "train2017", "val2017"):
        (root / folder).mkdir(parents=True)
    for part in ("train", "val"):
        (root / f"annotations/instances_{part}2017.json").touch()
        (root / f"annotations/lvis_v1_{part}.json").touch()
    return root


@pytest.fixture
def objects365(tmp_path):
    """Where the paper's scale looks for Objects365, beside COCO."""
    root = tmp_path / "data/objects365"
    (root / "annotations").mkdir(parents=True)
    for part in ("train", "val"):
        (root / part).mkdir()
        (root / f"annotations/zhiyuan_objv2_{part}.json").touch()
    return root


def test_the_papers_scale_on_a_cluster(snakemake, coco, objects365):
    jobs = planned(snakemake("-n", "all_tables", profile="slurm"))
    runs = str(3 * len(load_experiments().rows))
    assert (jobs["split"], jobs["pretrain"], jobs["train"]) == ("4", "1", runs)
    assert "fetch" not in jobs
    said = snakemake("-n", "-p", "all_tables", profile="slurm")
    assert "gbss train --scale paper --row gbss --seed 1 --gpus 8 " in said


def test_jobs_without_a_gpu_can_have_a_partition_of_their_own(repository, monkeypatch):
    monkeypatch.delenv("GBSS_CPU_PARTITION", raising=False)
    profile = ["--profile", str(repository / "slurm")]
    assert parse_args(profile)[1].set_resources == {}
    monkeypatch.setenv("GBSS_CPU_PARTITION", "small")
    chosen = parse_args(profile)[1].set_resources
    assert chosen.keys() == {"split", "labels", "evaluate", "figure"}
    for resources in chosen.values():
        assert resources["slurm_partition"].raw == "small"


def test_a_job_of_a_cluster_keeps_what_it_has_written_if_it_is_cancelled(repository, tmp_path):
    text = "rule all:\n    output: 'whole'\n    shell: 'echo 7 > {output}; kill -TERM $$'\n"
    (tmp_path / "Snakefile").write_text(text)
    profile = ["--profile", str(repository / "slurm"), "--executor", "local"]
    command = [sys.executable, "-m", "snakemake", *profile, "--cores", "1", "--retries", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Error in rule all" in done.stderr
    assert (tmp_path / "whole").read_text() == "7\n"


def test_the_papers_scale_on_one_machine(snakemake, coco):
    jobs = planned(snakemake("-n", "table_beta", profile="workflow/profiles/local"))
    assert jobs["train"] == "9"


def test_a_second_stage_comes_after_its_first(snakemake):
    said = snakemake("-n", "row_classifier_retraining", profile="workflow/profiles/demo")
    assert planned(said)["train"] == "6"
    assert said.index("training soft-teacher on") < said.index("training classifier-retraining on")
    assert planned(snakemake("-n", "row_soft_teacher"))["train"] == "2"


def test_all_labels_are_written_for_the_row_that_has_them(snakemake):
    said = snakemake("-n", "-p", "row_oracle", profile="workflow/profiles/demo")
    assert planned(said)["labels"] == "1"
    assert "gbss labels mini-coco --root build/data/mini-coco" in said
    assert "labels" not in planned(snakemake("-n", "row_supervised"))


def test_data_that_are_not_there_are_named_with_the_remedy(snakemake, coco):
    (coco / "annotations/instances_train2017.json").unlink()
    (coco / "val2017").rmdir()
    said = snakemake("-n", "all_tables", profile="slurm", code=1)
    assert "data/coco: the data of coco-split1, named under 'roots' of the scale 'paper'" in said
    assert "no annotations/instances_train2017.json, no val2017" in said
    assert "`gbss fetch coco-split1 --root data/coco` (docs/data.md)" in said
    # The other tasks are in the same message, and so is what can be had without these data.
    assert "data: the data of coco-objects365, named under 'roots' of the scale 'paper'" in said
    assert "to go on without: table_main_lvis" in said
    said = snakemake("-n", "table_main_lvis", profile="slurm")
    runs = 3 * len(load_experiments().rows_of("main_lvis"))
    assert (planned(said)["split"], planned(said)["train"]) == ("1", str(runs))


def test_a_split_that_was_made_by_hand_is_kept(snakemake, coco, tmp_path):
    folder = tmp_path / "build/splits/coco-split1"
    folder.mkdir(parents=True)
    for name in ("labeled", "unlabeled", "unlabeled_hidden", "val"):
        (folder / f"{name}.json").touch()
    said = snakemake("-n", "table_main_coco", profile="slurm")
    assert planned(said)["train"] == str(3 * len(load_experiments().rows_of("main_coco")))
    assert "split" not in planned(said)
    (folder / "val.json").unlink()
    assert planned(snakemake("-n", "table_main_coco", profile="slurm"))["split"] == "1"


def test_public_data_are_fetched_where_they_are_missing(snakemake, coco, objects365):
    assert "Nothing to be done" in snakemake("-n", "fetch", profile="slurm")
    (coco / "val2017").rmdir()
    (coco / "annotations/lvis_v1_val.json").unlink()
    said = snakemake("-n", "-p", "fetch", profile="slurm")
    assert planned(said) == {"fetch": "1"}
    # What is fetched for one task is there for the next.
    commands = [f"gbss fetch {name} --root data/coco" for name in ("coco-split1", "coco-split2")]
    assert f"({' && '.join(commands)} && gbss fetch lvis --root data/coco)" in said


def test_fetching_fails_with_its_message_and_deletes_nothing(snakemake, coco, tmp_path):
    (coco / "train2017").rmdir()
    (coco / "val2017/000000000139.jpg").touch()
    before = sorted(coco.rglob("*"))
    local = ("--executor", "local", "--cores", "1", "--force")
    said = snakemake(*local, "fetch", profile="slurm", code=1)
    assert "expected: a folder with 5,000 images" in said
    assert "Trying to restart job" not in said
    assert "5,000 images" in (tmp_path / "build/logs/fetch/paper.log").read_text()
    assert sorted(coco.rglob("*")) == before


def test_embedded_data_are_not_fetched(snakemake):
    profile = "workflow/profiles/demo"
    assert "gbss fetch" not in snakemake("-n", "-p", "fetch", profile=profile)
    assert "fetch" not in planned(snakemake("-n", "all_tables", profile=profile))


def test_published_records_render_without_training(snakemake, repository, tmp_path):
    published = repository / "results/runs/demo"
    shutil.copytree(published, tmp_path / "results/runs/demo")
    config = ("--config", "scale=demo", "results=results")
    tables = ("headline", "components", "solver")
    targets = [f"table_{name}" for name in tables]
    jobs = planned(snakemake("-n", *config, "--", *targets, profile="workflow/profiles/demo"))
    assert set(jobs) == {"table", *targets}
    said = snakemake(*config, "--", *targets, profile="workflow/profiles/demo")
    assert "training" not in said
    for name in (f"results/tables/demo/{table}{end}" for table in tables for end in TABLE_FILES):
        assert (tmp_path / name).read_text() == (repository / name).read_text(), name


def test_nothing_is_published_unless_asked(snakemake):
    said = snakemake("-n", "--config", "scale=demo", "--", "all_tables")
    assert " build/demo/results/tables/demo/main_coco.md" in said
    assert " results/" not in said


def test_own_data_at_a_scale_of_the_project_and_at_their_own(snakemake, own_data, own_init):
    assert main(own_init) == 0
    said = snakemake("-n", "-p", "table_headline", "--config", "scale=smoke", "task=zoo")
    jobs = {"pretrain": "1", "split": "1", "train": "6", "detect": "6", "evaluate": "6"}
    assert planned(said) == jobs | {"publish": "6", "table": "1", "table_headline": "1"}
    assert "gbss split zoo --root ." in said
    assert "gbss train --scale smoke --task zoo --row gbss --seed 2" in said
    assert "build/smoke/results/tables/smoke/zoo/headline.md" in said
    said = snakemake("-n", "-p", "row_gbss", "--config", "scale=zoo")
    assert "gbss train --scale zoo --row gbss --seed 1" in said
    assert "build/zoo/results/runs/zoo/zoo/gbss/seed-1.json" in said


def test_a_part_of_the_seeds(snakemake):
    rows = len(load_experiments().rows_of("beta"))
    said = snakemake("-n", "--config", "scale=demo", "seeds=2", "--", "table_beta")
    assert planned(said)["train"] == str(rows)
    assert "seed 2, scale demo" in said
    assert "seed 1, scale demo" not in said
    said = snakemake("-n", "--config", "scale=demo", "seeds=1,4", "--", "table_beta", code=1)
    assert "expected: some of the scale's: 1,2,3" in said


def test_an_unknown_key_is_refused(snakemake):
    said = snakemake("-n", "--config", "scael=demo", "--", "all_tables", code=1)
    assert "did you mean 'scale'?" in said


@pytest.mark.slow
def test_the_whole_pipeline_at_the_smallest_scale(snakemake, headline, repository, tmp_path):
    said = snakemake("--cores", "2", *headline)
    assert "soft-teacher, seed 1: 12/12 iterations" in said
    assert "gbss, seed 2: 12/12 iterations" in said
    tables = tmp_path / "build/smoke/results/tables/smoke"
    assert "missing" not in (tables / "headline.md").read_text()
    record = run_record.read(tmp_path / "build/smoke/results/runs/smoke/mini-coco/gbss/seed-2.json")
    assert record["training"]["iterations"] == 12
    assert record["images"] == 250

    # The committed split is what the committed code draws.
    for path in (repository / "splits/mini-coco").iterdir():
        assert (tmp_path / "splits/mini-coco" / path.name).read_bytes() == path.read_bytes()

    for figure in ("learning-curves", "class-weights-over-training"):
        path = tmp_path / f"build/smoke/results/figures/smoke/{figure}.csv"
        shown = {line.split(",")[1] for line in path.read_text().splitlines()[1:]}
        assert shown == {"1", "2"}, figure
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

    assert "Nothing to be done" in snakemake(*headline)
    snakemake(*headline, "--report", str(tmp_path / "report.html"))
    assert "headline.csv" in (tmp_path / "report.html").read_text()
    labeled = json.loads((tmp_path / "build/splits/mini-coco/labeled.json").read_text())
    assert labeled["annotations"]


def test_a_figure_asks_for_what_its_runs_must_leave(snakemake):
    said = snakemake("-n", "-p", "figure_prediction_scores", profile="workflow/profiles/demo")
    jobs = planned(said)
    assert (jobs["train"], jobs["detect"], jobs["class_logits"]) == ("6", "6", "6")
    assert "gbss figure prediction-scores --scale demo --results build/demo/results" in said
    # One run of each method is enough for panels: Soft Teacher + RFS, EQLv2, DeFRCN and GbSS.
    jobs = planned(snakemake("-n", "figure_qualitative_objects365"))
    assert (jobs["train"], jobs["detect"]) == ("4", "4")
