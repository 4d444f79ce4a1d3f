import csv
from collections import Counter

from gbss import tasks
from gbss.tasks.mini_lvis import BOUNDS


def test_groups_keep_the_shares_of_lvis():
    groups = tasks.get("mini-lvis").groups
    assert {group: len(names) for group, names in groups.items()} == {
        "rare": 17,  # 337 of 1,203
        "common": 23,  # 461
        "frequent": 20,  # 405
    }


def test_groups_are_those_of_the_images_in_train(repository):
    """Labeled and unlabeled together, as in LVIS; rare classes are rare in the pool, too."""
    task = tasks.get("mini-lvis")
    group = {name: each for each, names in task.groups.items() for name in names}
    with (repository / "splits/mini-lvis/counts.csv").open() as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert set(rows) == set(task.classes)
    for name, row in rows.items():
        assert row["group"] == group[name]
        fewest, most = BOUNDS[group[name]]
        assert fewest <= int(row["labeled_images"]) + int(row["unlabeled_images"]) <= most, name
        if group[name] == "rare":
            assert int(row["unlabeled_images"]) <= 40


def test_every_shape_texture_and_colour_has_classes_of_each_group():
    task = tasks.get("mini-lvis")
    for names in task.groups.values():
        parts = Counter(word for name in names for word in name.split())
        assert len(parts) == 5 + 4 + 3
        assert min(parts.values()) >= 2


def test_no_minority_annotation_is_taken_away():
    task = tasks.get("mini-lvis")
    assert task.recipe.minority == ()
    assert task.protocol == "lvis"
    assert task.drawing.federation is not None


def test_ids_have_gaps():
    ids = [kind.category_id for kind in tasks.get("mini-lvis").drawing.classes]
    assert (len(ids), ids[0], ids[-1]) == (60, 1, 79)
