from pathlib import Path

import pytest

from gbss.errors import GbssError
from gbss.splits.annotations import read
from gbss.tasks.own_groups import Grouping, group_classes


@pytest.fixture
def labeled(own_data):
    """owl is in 4 images, "tit, great" in 3, wren in 2, no in 1."""
    return read(Path("data/labeled.json"))


def test_by_a_number_of_images(labeled):
    assert group_classes(labeled, Grouping(below=3)) == {
        "majority": ("owl", "tit, great"),
        "minority": ("wren", "no"),
    }
    assert group_classes(labeled, Grouping(below=4))["majority"] == ("owl",)


def test_by_two_bounds_as_in_lvis(labeled):
    assert group_classes(labeled, Grouping(bounds=(1, 3))) == {
        "rare": ("no",),
        "common": ("wren", "tit, great"),
        "frequent": ("owl",),
    }


def test_by_names_with_commas_and_from_a_file(labeled):
    Path("names.txt").write_text("wren\n\nno \n")
    expected = {"majority": ("owl",), "minority": ("wren", "tit, great", "no")}
    for given in (("tit, great", "no,wren"), ("@names.txt", "tit, great")):
        assert group_classes(labeled, Grouping(minority=given)) == expected


def test_a_file_of_names_that_cannot_be_used(labeled):
    with pytest.raises(GbssError) as caught:
        group_classes(labeled, Grouping(minority=("@nowhere.txt",)))
    assert [fault.where for fault in caught.value.faults] == ["--minority @nowhere.txt"]
    Path("names.txt").write_bytes("no\nwr\xe9n\n".encode("latin-1"))
    with pytest.raises(GbssError, match="minority class 'wr\ufffdn'") as caught:
        group_classes(labeled, Grouping(minority=("@names.txt",)))
    assert len(caught.value.faults) == 1


def test_unknown_names_at_once(labeled):
    with pytest.raises(GbssError) as caught:
        group_classes(labeled, Grouping(minority=("wrenn,ow", "tit, great", "no")))
    assert [fault.where.rpartition(" ")[2] for fault in caught.value.faults] == ["'wrenn'", "'ow'"]
    assert "did you mean 'wren'?" in str(caught.value)


@pytest.mark.parametrize(
    ("grouping", "message"),
    [
        (Grouping(), "0 ways to group"),
        (Grouping(below=3, bounds=(1, 2)), "2 ways to group"),
        (Grouping(below=1), "no minority class; 'no' is in 1 images, 'owl' in 4"),
        (Grouping(below=9), "no majority class"),
        (Grouping(bounds=(4, 9)), "no common class"),
        (Grouping(minority=("owl,no,wren", "tit, great")), "no majority class"),
    ],
)
def test_every_group_has_a_class(labeled, grouping, message):
    with pytest.raises(GbssError, match=message):
        group_classes(labeled, grouping)
