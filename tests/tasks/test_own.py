import re
from pathlib import Path

import pytest
import yaml

from gbss import tasks
from gbss.errors import GbssError
from gbss.tasks import own
from gbss.tasks.base import Pool

TASK = {
    "title": "a zoo",
    "files": {
        "labeled": "a.json",
        "labeled_images": "a",
        "unlabeled_images": "b",
        "val": "c.json",
        "val_images": "c",
    },
    "classes": {"owl": "majority", "wren": "minority", "no": "minority", "tit": "majority"},
}
ONE_FILE = {"train": "a.json", "train_images": "a", "val": "c.json", "val_images": "c"}


@pytest.fixture
def write(tmp_path, monkeypatch, repository):
    """Writes a task's file with changes; returns its path."""
    monkeypatch.chdir(tmp_path)
    training = yaml.safe_load((repository / "workflow/config/smoke.yaml").read_text())
    for key in own.NOT_IN_TASKS:
        del training[key]

    def write(name="zoo", change=lambda content: None, **task):
        content = {"task": TASK | task, "training": dict(training)}
        change(content)
        path = Path(f"workflow/tasks/{name}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


def test_a_file_is_a_task(write):
    assert "zoo" not in tasks.names()
    write()
    assert tasks.names()[-1] == "zoo"
    task = tasks.get("zoo")
    assert task.classes == ("owl", "wren", "no", "tit")
    assert task.groups == {"majority": ("owl", "tit"), "minority": ("wren", "no")}
    assert task.pool == Pool("b")
    assert (task.root, task.files.train, task.unlabeled_images) == (Path(), "a.json", "b")
    # Labels of the user's own are all used.
    assert task.recipe.minority == ()
    assert tasks.stands_for(task) == "coco-split1"


def test_other_groups_are_another_draw_and_change_nothing_else(write):
    other = TASK["classes"] | {"tit": "minority"}
    write()
    given = tasks.get("zoo").division
    write(classes=other)
    assert tasks.get("zoo").division == given
    recipe = {"share": 0.2, "shots": 3, "seed": 8}
    write(files=ONE_FILE, recipe=recipe)
    drawn = tasks.get("zoo").division
    write(files=ONE_FILE, recipe=recipe, classes=other)
    assert tasks.get("zoo").division != drawn


def test_a_draw_takes_minority_boxes_away(write):
    recipe = {"share": 0.2, "shots": 3, "cap": 5, "seed": 8}
    write(files=ONE_FILE, recipe=recipe)
    task = tasks.get("zoo")
    assert task.pool is None
    assert task.recipe.minority == ("wren", "no")
    assert (task.recipe.share, task.recipe.shots, task.recipe.cap, task.recipe.seed) == (
        0.2,
        3,
        5,
        8,
    )


def test_groups_of_lvis_stand_for_lvis(write):
    write(classes={"owl": "frequent", "tit": "rare", "wren": "common"}, protocol="lvis")
    task = tasks.get("zoo")
    assert list(task.groups) == ["rare", "common", "frequent"]
    assert task.protocol == "lvis"
    assert tasks.stands_for(task) == "lvis"


def test_tasks_of_the_paper_stand_for_themselves():
    for name in ("coco-split1", "coco-split2", "coco-objects365", "lvis"):
        assert tasks.stands_for(tasks.get(name)) == name
    assert tasks.stands_for(tasks.get("mini-objects365")) == "coco-objects365"


def test_a_changed_file_counts_at_once(write, tmp_path, monkeypatch):
    write()
    assert tasks.get("zoo").title == "a zoo"
    write(title="another zoo")
    assert tasks.get("zoo").title == "another zoo"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "zoo" not in tasks.names()
    with pytest.raises(GbssError, match="'zoo'"):
        tasks.get("zoo")


def test_what_is_changed_in_the_settings_stays_with_the_caller(write):
    write()
    own.load_training("zoo")["schedule"]["iterations"] = 7
    assert own.load_training("zoo")["schedule"]["iterations"] == 12


def test_all_faults_of_a_file_at_once(write):
    def spoil(content):
        content["training"]["optimiser"] = content["training"].pop("optimizer")
        content["task"]["classes"] = TASK["classes"] | {"owl": "majorty"}
        content["task"]["files"] = TASK["files"] | {"labeled_image": "x"}
        content["task"]["tittle"] = "x"

    write(change=spoil)
    with pytest.raises(GbssError) as caught:
        tasks.get("zoo")
    said = str(caught.value)
    for hint in ("optimizer", "majority", "labeled_images", "title"):
        assert f"did you mean '{hint}'?" in said, hint
    assert "workflow/tasks/zoo.yaml: task.files" in said
    assert "workflow/tasks/zoo.yaml: training" in said


@pytest.mark.parametrize("key", own.NOT_IN_TASKS)
def test_what_follows_from_the_task_is_not_stated(write, key):
    write(change=lambda content: content["training"].update({key: {}}))
    with pytest.raises(GbssError, match=f"the unknown key '{key}'"):
        tasks.get("zoo")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"classes": dict.fromkeys(("a", "b"), "majority")}, "found: +classes of majority"),
        ({"classes": {"a": "rare", "b": "minority"}}, "found: +classes of rare, minority"),
        ({"recipe": {"share": 0.1, "shots": 1, "seed": 0}}, "beside separate labeled images"),
        ({"files": ONE_FILE}, "found: +no recipe"),
        (
            {"files": ONE_FILE, "recipe": {"share": 0.1, "shots": 9, "cap": 8, "seed": 0}},
            "at least the 9 shots",
        ),
        ({"files": ONE_FILE, "recipe": {"share": 0, "shots": 9, "seed": 0}}, "recipe.share"),
        ({"files": {**ONE_FILE, "unlabeled_images": "x"}}, "task.files"),
    ],
)
def test_what_a_task_cannot_be(write, task, message):
    write(**task)
    with pytest.raises(GbssError, match=message):
        tasks.get("zoo")


def test_a_name_that_is_taken(write):
    path = write("mini-coco")
    for call in (tasks.names, lambda: tasks.get("lvis")):
        with pytest.raises(GbssError, match=f"{re.escape(str(path))}\n.*'mini-coco', as one of"):
            call()


def test_a_name_that_no_target_could_have(write):
    write("My_zoo")
    assert "My_zoo" not in tasks.names()
    with pytest.raises(GbssError, match=r"found: +the name 'My_zoo'"):
        tasks.get("My_zoo")
    write("zoo")
    with pytest.raises(GbssError, match="did you mean 'zoo'"):
        tasks.get("zooo")
