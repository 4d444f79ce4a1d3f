from dataclasses import asdict, replace

import pytest

from gbss import tasks
from gbss.data.sources import Patches
from gbss.errors import GbssError


@pytest.mark.parametrize("name", tasks.names())
def test_groups_partition_the_classes(name):
    task = tasks.get(name)
    grouped = [each for names in task.groups.values() for each in names]
    assert task.name == name
    assert sorted(grouped) == sorted(task.classes)
    assert len(set(grouped)) == len(grouped)


@pytest.mark.parametrize("name", ["mini-coco", "coco-split1", "coco-split2"])
def test_the_recipe_has_the_minority_of_the_groups(name):
    task = tasks.get(name)
    assert list(task.groups) == ["majority", "minority"]
    assert task.recipe.minority == task.groups["minority"]
    expected = (0.03, 5) if name == "mini-coco" else (0.1, 10)
    assert (task.recipe.share, task.recipe.shots) == expected


@pytest.mark.parametrize("name", [name for name in tasks.names() if tasks.get(name).sources])
def test_what_is_fetched_is_what_the_task_reads(name):
    task = tasks.get(name)
    fetched = {part.path for source in task.sources for part in getattr(source, "parts", ())}
    for source in task.sources:
        if isinstance(source, Patches):
            fetched |= {source.annotations, source.images}
    read = {*asdict(task.files).values()} - {""}  # the root itself
    if task.mapped is not None:
        read |= {task.mapped.train, task.mapped.train_images}
    assert read <= fetched
    assert task.drawing is None


def test_missing_names_what_is_not_there(tmp_path):
    task = tasks.get("coco-split2")
    (tmp_path / "train2017").mkdir()
    assert task.missing(tmp_path) == [
        "annotations/instances_train2017.json",
        "annotations/instances_val2017.json",
        "val2017",
    ]


def test_another_recipe_class_map_or_grouping_is_another_division():
    plain, mapped, grouped = map(tasks.get, ("mini-coco", "mini-objects365", "mini-lvis"))
    assert plain.division == plain.recipe.to_yaml()
    to = dict(mapped.mapped.to) | {"solid hourglass": "Solid Disc"}
    others = (
        replace(plain, recipe=replace(plain.recipe, seed=8)),
        replace(mapped, mapped=replace(mapped.mapped, to=to)),
        replace(grouped, recipe=replace(grouped.recipe, groups={})),
    )
    for task, other in zip((plain, mapped, grouped), others, strict=True):
        assert task.division != other.division, task.name


def test_names_are_found_by_walking_the_folder():
    assert {"mini-coco", "coco-split1", "coco-split2"} <= set(tasks.names())


def test_an_unknown_task_gets_the_nearest_name():
    with pytest.raises(GbssError) as caught:
        tasks.get("coco-split3")
    (fault,) = caught.value.faults
    assert fault.found == "'coco-split3'"
    assert fault.expected.startswith("did you mean 'coco-split")
    assert "mini-coco" in fault.expected


def test_refuses_groups_that_do_not_partition():
    task = tasks.get("mini-coco")
    halves = {"majority": task.groups["majority"], "minority": task.groups["minority"][1:]}
    with pytest.raises(ValueError, match="every class exactly once"):
        replace(task, groups=halves)
    double = task.groups | {"again": task.groups["minority"]}
    with pytest.raises(ValueError, match="every class exactly once"):
        replace(task, groups=double)


def test_refuses_a_recipe_of_other_classes():
    task = tasks.get("mini-coco")
    with pytest.raises(ValueError, match=r"unknown classes \['zebra'\]"):
        replace(task, recipe=replace(task.recipe, minority=("zebra",)))
