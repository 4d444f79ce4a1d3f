import csv
from collections import Counter

from gbss import tasks


def test_the_map_has_classes_that_share_one_and_one_that_has_none():
    task = tasks.get("mini-objects365")
    to = task.mapped.to
    assert tuple(to) == task.mapped.classes
    assert [name for name, other in to.items() if other is None] == ["solid hourglass"]
    shared = {other for other, count in Counter(to.values()).items() if count > 1}
    assert shared == {"Solid Cross"}
    assert {other for other in to.values() if other} == set(task.groups["majority"])
    # The source's own label space is the smaller one.
    assert (len(to), len(task.classes)) == (12, 23)


def test_no_class_of_the_source_is_drawn_as_a_minority_class():
    task = tasks.get("mini-objects365")
    looks = {(k.shape, k.texture) for k in task.drawing.source.classes}
    for kind in task.drawing.classes:
        assert ((kind.shape, kind.texture) in looks) == (kind.name in task.groups["majority"])


def test_two_styles():
    drawing = tasks.get("mini-objects365").drawing
    assert (drawing.style, drawing.source.style) == ("hatched", None)
    assert drawing.source.val is None


def test_all_of_the_source_is_labeled_and_a_few_of_the_rest(repository):
    task = tasks.get("mini-objects365")
    with (repository / "splits/mini-objects365/counts.csv").open() as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    for name in task.groups["minority"]:
        assert int(rows[name]["base_boxes"]) == 0
        assert 10 <= int(rows[name]["few_shot_boxes"]) <= 15
    for name in task.groups["majority"]:
        assert int(rows[name]["base_boxes"]) > 100
    lines = (repository / "splits/mini-objects365/labeled.txt").read_text().splitlines()
    sources = Counter(line.split()[1] for line in lines)
    assert 500 < sources["base"] <= 600
    assert 50 < sources["few-shot"] < 80
