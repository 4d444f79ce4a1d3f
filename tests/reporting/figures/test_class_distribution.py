import csv
from dataclasses import replace
from types import SimpleNamespace

import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from gbss.errors import GbssError
from gbss.reporting.figures.class_distribution import (
    ClassImages,
    class_images,
    draw,
    summary,
    write_class_distribution,
)
from gbss.reporting.style import GROUPS

COUNTS = """\
id,name,group,labeled_images,labeled_boxes,unlabeled_images,unlabeled_boxes
2,ant,majority,48,60,700,900
3,bee,minority,5,12,640,999
7,cat,majority,0,0,3,3
8,dog,minority,5,7,20,21
"""


@pytest.fixture
def task():
    groups = {"majority": ("cat", "ant"), "minority": ("bee", "dog")}
    return SimpleNamespace(name="zoo", title="zoo (4 classes)", groups=groups)


@pytest.fixture
def counts(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text(COUNTS)
    return path


@pytest.fixture
def classes(counts, task):
    return class_images(counts, task)


def test_most_labeled_images_first(classes):
    assert classes == [
        ClassImages("ant", "majority", 48, 700),
        ClassImages("bee", "minority", 5, 640),
        ClassImages("dog", "minority", 5, 20),
        ClassImages("cat", "majority", 0, 3),
    ]


def test_markers_stand_at_the_numbers_and_differ_by_shape_and_colour(classes, task):
    (axes,) = draw(classes, task).axes
    points = {
        each.get_label(): each.get_offsets().tolist()
        for each in axes.collections
        if isinstance(each, PathCollection)
    }
    assert points == {
        "majority, unlabeled": [[0, 700], [3, 3]],
        "majority, labeled": [[0, 48], [3, 0]],
        "minority, unlabeled": [[1, 640], [2, 20]],
        "minority, labeled": [[1, 5], [2, 5]],
    }
    assert [text.get_text() for text in axes.get_xticklabels()] == ["ant", "bee", "dog", "cat"]
    # cat has no labeled image, and zero must show.
    assert axes.get_yscale() == "symlog"
    assert GROUPS["majority"].marker != GROUPS["minority"].marker
    assert GROUPS["majority"].colour != GROUPS["minority"].colour


def test_many_classes_go_without_names_and_positive_numbers_with_a_plain_axis(task):
    many = [ClassImages(f"c{n}", "majority", 9 + n, 70) for n in range(365)]
    (axes,) = draw(many, task).axes
    assert axes.get_xticks().tolist() == []
    assert axes.get_xlabel().startswith("365 classes")
    assert axes.get_yscale() == "log"


def test_files_are_the_same_twice_and_carry_their_numbers(classes, task, tmp_path):
    for folder in ("a", "b"):
        write_class_distribution(classes, task, tmp_path / folder / "zoo")
    names = ["zoo.csv", "zoo.pdf", "zoo.png"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rows = list(csv.reader((tmp_path / "a/zoo.csv").read_text().splitlines()))
    assert rows[0] == ["class", "group", "labeled_images", "unlabeled_images"]
    assert rows[2] == ["bee", "minority", "5", "640"]
    assert len(rows) == 5


def test_summary(classes, task):
    assert summary(classes, task.groups).splitlines() == [
        "majority: 2 classes, 0 to 48 labeled images, 3 to 700 unlabeled",
        "minority: 2 classes, 5 to 5 labeled images, 20 to 640 unlabeled",
    ]


def test_unlabeled_images_of_which_nothing_is_known(counts, task, tmp_path):
    text = COUNTS
    for known in ("700,900", "640,999", "3,3", "20,21"):
        text = text.replace(f"{known}\n", ",\n")
    counts.write_text(text)
    classes = class_images(counts, task)
    assert [(each.name, each.unlabeled) for each in classes][:2] == [("ant", None), ("bee", None)]
    (axes,) = draw(classes, task).axes
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert labels == ["majority, labeled", "minority, labeled"]
    said = summary(classes, task.groups)
    assert said.splitlines()[1] == "minority: 2 classes, 5 to 5 labeled images, others unknown"
    write_class_distribution(classes, task, tmp_path / "zoo")
    assert "\nbee,minority,5,\n" in (tmp_path / "zoo.csv").read_text().replace("\r", "")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "no such file"),
        (COUNTS.replace("ant", "elk"), "other classes"),
        (COUNTS.replace("unlabeled_images", "pool"), "unreadable: KeyError('unlabeled_images')"),
        (COUNTS.replace("48", "many"), "unreadable: ValueError"),
        ("", "other classes"),
    ],
)
def test_counts_that_are_none(counts, task, text, found):
    counts.unlink() if text is None else counts.write_text(text)
    with pytest.raises(GbssError) as caught:
        class_images(counts, task)
    (fault,) = caught.value.faults
    assert fault.where == str(counts)
    assert fault.found.startswith(found)
    assert "zoo" in fault.fix


def test_groups_of_other_tasks_have_a_style(classes, task):
    frequent = [replace(each, group="frequent") for each in classes[:2]]
    other = [replace(each, group="novel") for each in classes[2:]]
    task.groups = {"frequent": ("ant", "bee"), "novel": ("cat", "dog")}
    (axes,) = draw([*frequent, *other], task).axes
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    names = ["frequent, unlabeled", "frequent, labeled", "novel, unlabeled", "novel, labeled"]
    assert labels == names


def test_the_tail_is_drawn_last_and_outlined_in_ink(task):
    task.groups = {"rare": ("a",), "common": ("b",), "frequent": ("c",)}
    three = [ClassImages(n, g, 9, 70) for g, (n,) in task.groups.items()]
    (axes,) = draw(three, task).axes
    points = [each for each in axes.collections if isinstance(each, PathCollection)]
    assert [each.get_label() for each in points[1::2]] == [
        "frequent, labeled",
        "common, labeled",
        "rare, labeled",
    ]
    assert to_hex(points[3].get_edgecolor()[0]) == GROUPS["common"].line
