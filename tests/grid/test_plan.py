import json
from dataclasses import replace
from pathlib import Path

import pytest

from gbss.errors import GbssError
from gbss.experiments import load_experiments
from gbss.grid import Grid
from gbss.grid.cost import Costs, Speed, disk
from gbss.grid.plan import make_plan
from gbss.reporting.grid import plan_text
from gbss.scales import load_scale

RESULTS = Path("build/demo/results")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def grid():
    scale = load_scale("demo")
    schedule = replace(scale.schedule, iterations=1000)
    return Grid(replace(scale, seeds=(5, 8), schedule=schedule), load_experiments())


def speeds(text):
    path = Path("speed.yaml")
    path.write_text(text)
    return path


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


MEASURED = "small: {seconds_per_part: 0.4, source: a laptop, checkpoint_mb: 7, model_mb: 2.5}\n"


def test_hours_and_disk_of_what_is_left(grid):
    costs = Costs(grid.scale, [], speeds(MEASURED))
    for name in ("splits/mini-coco/labeled", "splits/mini-coco/unlabeled", "splits/mini-coco/val"):
        touch(Path(f"build/{name}.json"))
    touch(Path("build/demo/backbone.pth"))
    begun, done = grid.places([grid.experiments.rows["gbss"]])
    begun.checkpoints.mkdir(parents=True)
    (begun.checkpoints / "iter_0000250.pth").write_bytes(b"7" * 500_000)
    touch(done.model)
    plan = make_plan(grid, ["table_solver"], RESULTS, costs)
    assert plan.tables == ("solver",)
    assert len(plan.runs) == 4
    # gbss: 750 iterations of one run, the other is done; gbss-direct: two whole runs.
    assert plan.seconds == pytest.approx(0.4 * (750 + 2 * 1000))
    assert plan.disk == pytest.approx(1e6 * 3 * (3 * 7 + 2.5) - 500_000)
    assert plan.jobs["train"] == 3
    assert plan.jobs["publish"] == 4
    text = plan_text(plan)
    assert "to train: 3, of them from a checkpoint: 1" in text
    assert "assumed: 0.4 s an iteration (a laptop)" in text
    assert "training: 0.3 hours of jobs, on the CPU" in text


def test_records_that_are_not_used_are_told(grid):
    plan = make_plan(grid, ["row_gbss"], RESULTS, Costs(grid.scale, [], speeds(MEASURED)))
    assert "published" not in plan_text(plan)
    told = "published: 2 of them have a record in results/, and are trained all the same; with "
    assert f"{told}`--config scale=demo results=results`" in plan_text(plan, None, 2)


def test_gpu_hours_count_every_gpu_of_a_job(grid):
    train = replace(grid.scale.resources["train"], gpu=8)
    scale = replace(grid.scale, resources=grid.scale.resources | {"train": train})
    costs = Costs(scale, [], speeds(MEASURED.replace("0.4", "36")))
    text = plan_text(make_plan(Grid(scale, grid.experiments), ["row_gbss"], RESULTS, costs))
    assert "training: 160.0 GPU-hours, 20.0 hours of jobs, 8 GPUs a job" in text


def paper(**changes):
    """The grid of the paper's scale with other jobs."""
    scale = load_scale("paper")
    train = replace(scale.resources["train"], **changes)
    return Grid(replace(scale, resources=scale.resources | {"train": train}), load_experiments())


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        # 288 GPU-hours for 180,000 iterations of 5 images. Times three seeds: 35 such rows, 7 twice
        # as long, 4 with a fifth of the images, 2 with eight fifths; 35 + 14 + 0.8 + 3.2 = 53.
        (8, "45,792.0 GPU-hours, 5,724.0 hours of jobs, 8 GPUs a job"),
        (1, "45,792.0 GPU-hours, 45,792.0 hours of jobs, 1 GPU a job"),
        # Two of the three train: eight parts cannot be shared by three.
        (3, "68,688.0 GPU-hours, 22,896.0 hours of jobs, 3 GPUs a job"),
    ],
)
def test_fewer_gpus_take_longer(gpu, said):
    grid = paper(gpu=gpu)
    plan = make_plan(grid, ["all_tables"], RESULTS, Costs(grid.scale, []))
    assert len(plan.runs) == 144
    assert f"training: {said}" in plan_text(plan)


def test_a_run_that_does_not_fit_into_its_attempts_is_told():
    targets = ["row_gbss", "row_objects365_gbss"]

    def text(attempts, **changes):
        grid = paper(**changes)
        return plan_text(make_plan(grid, targets, RESULTS, Costs(grid.scale, [])), attempts)

    assert "warning" not in text(10)
    assert "warning" not in text(None, gpu=1)
    said = text(10, gpu=1)
    assert "warning: 10 attempts of 24.0 hours hold 240.0 hours; a run of these rows" in said
    assert "\n    288.0 hours: gbss\n    576.0 hours: objects365-gbss\n    raise 'retries'" in said
    said = text(2, runtime=2160)
    assert "    72.0 hours: " not in said, "it fits to the second"
    said = text(1, runtime=2160)
    assert "\n    72.0 hours: objects365-gbss\n" in said
    assert "36.0 hours: " not in said.split("hold")[1].split("needs more")[1]


def test_what_nobody_measured_is_unknown(grid):
    costs = Costs(grid.scale, [], speeds("resnet50: {seconds_per_part: 1, source: elsewhere}\n"))
    plan = make_plan(grid, ["row_gbss"], RESULTS, costs)
    assert (plan.seconds, plan.disk) == (None, None)
    text = plan_text(plan)
    assert "time: unknown; measure it: python benchmarks/speed.py --scale demo --write" in text
    assert "disk for checkpoints and weights: unknown" in text


def test_a_rows_own_records_come_first_then_those_of_others(grid, repository):
    costs = Costs(grid.scale, [repository / "results"], speeds(MEASURED))
    own = costs.speed("mini-coco", grid.experiments.rows["gbss"])
    others = costs.speed("mini-coco", replace(grid.experiments.rows["gbss"], id="no-such-row"))
    assert "records of the row" in own.source
    assert "records of other rows" in others.source
    assert 0.01 < own.seconds != others.seconds
    assert (own.checkpoint_mb, own.model_mb) == (7, 2.5)


def test_a_record_of_other_processes_counts_for_those_of_the_scale(grid, repository):
    place = Path("runs/demo/mini-coco/gbss/seed-1.json")
    content = json.loads((repository / "results" / place).read_text())
    content["training"] |= {"iterations": 1000, "seconds": 300.0, "processes": 3}
    path = "elsewhere" / place
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    batch = replace(grid.scale.batch, parts=6)
    train = replace(grid.scale.resources["train"], processes=2)
    scale = replace(grid.scale, batch=batch, resources={**grid.scale.resources, "train": train})
    costs = Costs(scale, [Path("elsewhere")], speeds(MEASURED))
    # 6 parts: 2 for each of three processes, 3 for each of two.
    assert costs.speed("mini-coco", grid.experiments.rows["gbss"]).seconds == pytest.approx(0.45)


def test_rows_with_other_numbers_of_images_take_their_share_of_the_time(grid):
    scale = replace(grid.scale, batch=replace(grid.scale.batch, labeled=1, unlabeled=4))
    costs = Costs(scale, [], speeds(MEASURED))
    names = ("gbss", "supervised", "unbiased-teacher")
    found = [costs.speed("mini-coco", grid.experiments.rows[name]) for name in names]
    assert [speed.seconds for speed in found] == pytest.approx([0.4, 0.4 / 5, 0.4 * 8 / 5])
    assert found[0].source == "a laptop"
    assert "in proportion to the images" in found[1].source


def test_a_broken_file_of_speeds_is_refused_with_all_its_faults(grid):
    broken = speeds("small: {seconds_per_part: -1, source: x, checkpoint_mb: none}\n")
    with pytest.raises(GbssError) as error:
        Costs(grid.scale, [], broken)
    assert len(error.value.faults) == 2


def test_no_disk_is_planned_twice(grid):
    place = grid.places([grid.experiments.rows["gbss"]])[0]
    place.checkpoints.mkdir(parents=True)
    (place.checkpoints / "iter_0000001.pth").write_bytes(b"0" * 3_000_000)
    speed = Speed(1.0, "", checkpoint_mb=1, model_mb=0.5)
    assert disk(place, speed) == pytest.approx(500_000)
    assert disk(place, replace(speed, model_mb=0.001)) == pytest.approx(1_000)
    assert disk(place, None) is None
