import pytest

from gbss import tasks


def test_minority_is_interleaved_and_has_look_alikes():
    task = tasks.get("mini-coco")
    kinds = task.drawing.classes
    assert task.classes == tuple(kind.name for kind in kinds)
    minority = [
        number for number, name in enumerate(task.classes) if name in task.groups["minority"]
    ]
    assert minority == [1, 4, 7, 10]
    for number in minority:
        textures = {k.texture for k in kinds if k.shape == kinds[number].shape}
        assert kinds[number].texture == "horizontal"
        assert textures == {"solid", "vertical", "horizontal"}


def test_ids_have_gaps():
    ids = [kind.category_id for kind in tasks.get("mini-coco").drawing.classes]
    assert len(ids) == 12
    assert ids[-1] > 12


def test_the_minority_is_rarer_in_train_and_all_are_equal_in_validation():
    task = tasks.get("mini-coco")
    train, val = task.drawing.train, task.drawing.val
    assert (train.scenes, val.scenes) == (3000, 250)
    assert set(val.frequencies.values()) == {1.0}
    means = [
        sum(train.frequencies[name] for name in names) / len(names)
        for names in task.groups.values()
    ]
    assert means[0] / means[1] == pytest.approx(1.4625 / 0.45)
    assert all(train.frequencies[name] < 1 for name in task.groups["minority"])
    assert all(train.frequencies[name] >= 1 for name in task.groups["majority"])
