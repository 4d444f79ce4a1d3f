from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gbss.cli import main
from gbss.errors import GbssError
from gbss.experiments import WORKFLOW, load_experiments
from gbss.scales import load_scale, with_seeds
from gbss.scales.layout import Layout, layout


def write(path, change):
    content = yaml.safe_load((WORKFLOW / "config/demo.yaml").read_text())
    content["scale"] = "mine"
    change(content)
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize("name", ["smoke", "demo", "paper"])
def test_the_projects_own_scales(name):
    scale = load_scale(name)
    assert scale.scale == name
    assert scale.schedule.warmup < scale.schedule.iterations
    assert scale.task_of("coco-split1") == ("coco-split1" if name == "paper" else "mini-coco")


def test_paper_is_five_images_on_eight_gpus():
    paper = load_scale("paper")
    assert paper.batch.size * paper.resources["train"].gpu == 40
    assert paper.schedule.iterations == 180_000
    for task in paper.tasks:
        schedule = paper.of(task).schedule
        assert schedule.iterations == 9 * schedule.validation_interval


def test_some_of_the_seeds():
    paper = load_scale("paper")
    assert with_seeds(paper, 2).seeds == (2,)
    assert with_seeds(paper, "3, 1").seeds == with_seeds(paper, [3, 1]).seeds == (1, 3)
    with pytest.raises(GbssError) as caught:
        with_seeds(paper, "1,7,x")
    (fault,) = caught.value.faults
    assert (fault.found, fault.expected) == ("'7', 'x'", "some of the scale's: 1,2,3")


def test_roots():
    assert load_scale("demo").root("mini-coco") == Path("build/data/mini-coco")
    assert load_scale("paper").root("coco-split1") == Path("data/coco")
    assert load_scale("paper").root("coco-objects365") == Path("data")
    paper = replace(load_scale("paper"), roots={})
    with pytest.raises(GbssError, match=r"add 'roots: \{coco-split2: /path/to/data\}'"):
        paper.root("coco-split2")


def test_missing_data_are_named_with_the_remedy(tmp_path):
    paper = replace(load_scale("paper"), roots={"coco-split1": str(tmp_path)})
    with pytest.raises(GbssError) as caught:
        paper.require("coco-split1")
    (fault,) = caught.value.faults
    assert fault.where.startswith(f"{tmp_path}: the data of coco-split1")
    assert fault.found.count("no ") == 4
    assert f"gbss fetch coco-split1 --root {tmp_path}" in fault.fix
    assert "under 'roots' of the scale 'paper'" in fault.fix
    for name in ("annotations/instances_train2017.json", "annotations/instances_val2017.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("train2017", "val2017"):
        (tmp_path / name).mkdir()
    assert paper.require("coco-split1") == tmp_path
    assert load_scale("demo").require("mini-coco") == Path("build/data/mini-coco")


def test_misspelt_keys_and_tasks_name_the_nearest(tmp_path):
    def keys(content):
        content["schedule"]["iteratons"] = content["schedule"].pop("iterations")
        content["sedes"] = [3]

    with pytest.raises(GbssError) as caught:
        load_scale(write(tmp_path / "a.yaml", keys))
    report = str(caught.value)
    assert "unknown key 'iteratons'" in report
    assert "did you mean 'iterations'?" in report
    assert "did you mean 'seeds'?" in report

    def names(content):
        content["tasks"] = {"coco-split1": "mini-cocoo"}

    with pytest.raises(GbssError, match="did you mean 'mini-coco'"):
        load_scale(write(tmp_path / "b.yaml", names))
    with pytest.raises(GbssError, match="did you mean 'demo'"):
        load_scale("demmo")
    with pytest.raises(GbssError, match="No such file"):
        load_scale(str(tmp_path / "missing.yaml"))


def test_every_caption_names_the_scale(tmp_path):
    assert load_scale("demo").caption.startswith("demo scale, embedded data on a CPU; not compar")

    def copied(content):
        content["scale"] = "shorter"

    assert load_scale(write(tmp_path / "a.yaml", copied)).caption.startswith("shorter scale, ")


def test_only_what_changes_a_result_decides_about_a_finished_run():
    demo = load_scale("demo")
    other_machine = replace(
        demo,
        seeds=(9,),
        summary="another summary",
        batch=replace(demo.batch, workers=3),
        schedule=replace(
            demo.schedule, checkpoint_interval=7, log_interval=3, validation_interval=14
        ),
    )
    rows = load_experiments().rows
    plain, ours = rows["soft-teacher"], rows["gbss"]
    for row in (plain, ours):
        assert other_machine.training(row) == demo.training(row)
        longer = replace(demo, schedule=replace(demo.schedule, iterations=9999))
        assert longer.training(row) != demo.training(row)
    windows = replace(demo, method=replace(demo.method, warmup=0.1))
    assert windows.training(plain) == demo.training(plain)
    assert windows.training(ours) != demo.training(ours)
    drawn = replace(demo, batch=replace(demo.batch, ratio="drawn"))
    assert drawn.training(plain) != demo.training(plain)


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("pretraining", "task", "mini-koko", "did you mean 'mini-coco'"),
        ("pretraining", "task", "coco-split1", "an embedded task: mini-coco"),
        ("pretraining", "stepps", 3, "did you mean 'steps'"),
        ("pretraining", "seed", 2**32, "below 4294967296"),
        ("schedule", "iterations", 1600.0, "type 'integer'"),
        ("schedule", "warmup", 1601, "at most the 1600 iterations"),
        ("schedule", "decay", [1300, 1200], "ascending, all below the 1600 iterations"),
        ("schedule", "decay", [1200, 1200], "ascending, all below the 1600 iterations"),
        ("schedule", "decay", [1600], "ascending, all below the 1600 iterations"),
        ("schedule", "validation_interval", 300, "a multiple of checkpoint_interval, 200"),
        ("optimizer", "learning_rate", float("nan"), "a finite number"),
        ("optimizer", "weight_decay", float("inf"), "a finite number"),
    ],
)
def test_settings_that_would_fail_later(tmp_path, part, key, value, message):
    path = write(tmp_path / "a.yaml", lambda content: content[part].update({key: value}))
    with pytest.raises(GbssError, match=message) as caught:
        load_scale(path)
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize("seeds", [[1.0], [3, 2**32]])
def test_seeds(tmp_path, seeds):
    path = write(tmp_path / "a.yaml", lambda content: content.update(seeds=seeds))
    with pytest.raises(GbssError, match=r"a\.yaml: seeds"):
        load_scale(path)


def test_a_scale_cannot_pass_for_another(tmp_path, monkeypatch):
    assert load_scale(write(tmp_path / "a.yaml", lambda content: None)).scale == "mine"
    path = write(tmp_path / "a.yaml", lambda content: content.update(scale="paper"))
    with pytest.raises(GbssError, match="a name of its own, none of demo, paper, smoke"):
        load_scale(path)
    monkeypatch.chdir(WORKFLOW.parent)
    assert load_scale("workflow/config/demo.yaml").scale == "demo"
    (tmp_path / "config").mkdir()
    for name in ("config.schema.yaml", "config/demo.yaml"):
        (tmp_path / name).write_bytes((WORKFLOW / name).read_bytes())
    (tmp_path / "config/demo.yaml").rename(tmp_path / "config/big.yaml")
    monkeypatch.setattr("gbss.scales.load.WORKFLOW", tmp_path)
    with pytest.raises(GbssError, match=r"found: +'demo'\n +expected: 'big'"):
        load_scale("big")


def test_changes_for_a_task_change_its_rows_and_no_others(tmp_path):
    def change(content):
        content["changes"] = {
            "lvis": {"schedule": {"iterations": 2000, "decay": [1500, 1700]}},
            "coco-split2": {"method": {"warmup": 0.1}},
        }

    demo, mine = load_scale("demo"), load_scale(write(tmp_path / "a.yaml", change))
    rows = load_experiments().rows
    for name, row in rows.items():
        same = mine.training(row) == demo.training(row)
        # A window that a row does not use does not matter.
        assert same == (row.task != "lvis" and name not in ("split2-daso", "split2-gbss")), name
    found = mine.training(rows["lvis-gbss"])
    assert found["schedule"] == {"iterations": 2000, "warmup": 200, "decay": [1500, 1700]}
    assert found == mine.of("lvis").training(rows["lvis-gbss"])
    assert "changes" not in found


def test_changes_are_checked(tmp_path):
    def change(content):
        content["changes"] = {"lviss": {"method": {"warmup": 0.1}}}
        content["changes"]["lvis"] = {"schedule": {"iterations": 1000}}

    with pytest.raises(GbssError) as caught:
        load_scale(write(tmp_path / "a.yaml", change))
    report = str(caught.value)
    assert "did you mean 'lvis'" in report
    assert "changes.lvis.schedule.decay" in report
    assert "all below the 1000 iterations" in report

    def keys(content):
        content["changes"] = {"lvis": {"schedule": {"iteratons": 9}, "seeds": [1]}}

    with pytest.raises(GbssError) as caught:
        load_scale(write(tmp_path / "b.yaml", keys))
    assert "did you mean 'iterations'" in str(caught.value)
    assert "unknown key 'seeds'" in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("warmup", 1.0), ("warmup", -0.1), ("merge", 0)])
def test_windows_are_shares_of_the_run(tmp_path, key, value):
    def change(content):
        content["method"][key] = value

    with pytest.raises(GbssError, match=f"method.{key}"):
        load_scale(write(tmp_path / "a.yaml", change))


def test_one_task_takes_the_place_of_all():
    smoke = load_scale("smoke")
    assert (smoke.replaced, smoke.place) == (None, Path("smoke"))
    split2 = load_scale("smoke", "coco-split2")
    assert split2.tasks == {"coco-split2": "coco-split2"}
    assert split2.place == Path("smoke/coco-split2")
    assert load_scale("smoke", "mini-objects365").tasks == {"coco-objects365": "mini-objects365"}
    row = load_experiments().rows["gbss"]
    assert split2.settings(row) == smoke.settings(row)
    with pytest.raises(GbssError, match="did you mean 'mini-coco'"):
        load_scale("smoke", "mini-koko")


def test_a_scale_in_the_file_of_a_task(own_data, own_init):
    assert main(own_init) == 0
    scale = load_scale("zoo")
    assert (scale.scale, scale.place) == ("zoo", Path("zoo"))
    assert scale.tasks == load_scale("smoke", "zoo").tasks == {"coco-split1": "zoo"}
    path = Path("workflow/tasks/zoo.yaml")
    path.write_text(path.read_text().replace("decay: [1300]", "decay: [1300, 1600]"))
    with pytest.raises(GbssError, match=r"tasks/zoo\.yaml: schedule\.decay"):
        load_scale("zoo")
    with pytest.raises(GbssError, match="did you mean 'zoo'"):
        load_scale("zooo")


def with_jobs(**changes):
    scale = load_scale("paper")
    train = replace(scale.resources["train"], **changes)
    return replace(scale, resources={**scale.resources, "train": train})


@pytest.mark.parametrize(
    ("changes", "gpus", "devices", "expected"),
    [
        ({}, None, 8, Layout(1, 8, 1)),
        ({}, None, 0, Layout(1, 8, 1)),
        ({}, 2, 8, Layout(1, 2, 4)),
        ({}, 3, 8, Layout(1, 2, 4)),  # 8 parts cannot be shared by 3
        ({}, None, 1, Layout(1, 1, 8)),
        ({"nodes": 2, "gpu": 4}, None, 4, Layout(2, 4, 1)),
        ({"nodes": 2, "gpu": 4}, 8, 4, Layout(2, 4, 1)),
        ({"nodes": 4, "gpu": 4}, None, 4, Layout(4, 2, 1)),  # no more processes than parts
        ({"gpu": 0, "processes": 2}, 0, 0, Layout(1, 2, 4)),
        ({"gpu": 0}, 0, 0, Layout(1, 1, 8)),
    ],
)
def test_processes_share_the_parts(changes, gpus, devices, expected):
    assert layout(with_jobs(**changes), gpus, devices) == expected


def test_nodes_that_cannot_share_the_parts_are_refused():
    with pytest.raises(GbssError, match="3 nodes for the 8 parts"):
        layout(with_jobs(nodes=3, gpu=4), None, 4)
