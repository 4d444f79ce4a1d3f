from gbss import tasks


def test_classes_and_groups():
    task = tasks.get("lvis")
    assert {group: len(names) for group, names in task.groups.items()} == {
        "rare": 337,
        "common": 461,
        "frequent": 405,
    }
    # By ascending id, 1 to 1203 without gaps.
    assert len(task.classes) == 1203
    ends = (task.classes[0], task.classes[630], task.classes[1202])
    assert ends == ("aerosol_can", "laptop_computer", "zucchini")
    assert "laptop_computer" in task.groups["frequent"]


def test_no_annotation_is_taken_away():
    task = tasks.get("lvis")
    assert task.recipe.minority == ()
    assert task.recipe.labeled == 9946
    assert task.recipe.groups == task.groups
    assert task.protocol == "lvis"
