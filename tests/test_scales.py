from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gbss.errors import GbssError
from gbss.experiments import WORKFLOW
from gbss.scales import load_scale


def write(path, change):
    content = yaml.safe_load((WORKFLOW / "config/demo.yaml").read_text())
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


def test_roots():
    assert load_scale("demo").root("mini-coco") == Path("build/data/mini-coco")
    assert load_scale("paper").root("coco-split1") == Path("data/coco")
    with pytest.raises(GbssError, match=r"add 'roots: \{coco-split2: /path/to/data\}'"):
        load_scale("paper").root("coco-split2")


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


def test_only_what_changes_a_result_decides_about_a_finished_run():
    demo = load_scale("demo")
    other_machine = replace(
        demo,
        seeds=(9,),
        summary="another summary",
        batch=replace(demo.batch, workers=3),
        schedule=replace(demo.schedule, checkpoint_interval=7, log_interval=3),
    )
    assert other_machine.training() == demo.training()
    longer = replace(demo, schedule=replace(demo.schedule, iterations=9999))
    assert longer.training() != demo.training()
