import pytest

from gbss.errors import GbssError
from gbss.splits.files import LISTS
from gbss.splits.overlap import overlap_csv, overlap_text, overlaps, write_overlaps


def commit(folder, name, data, labeled, unlabeled):
    (folder / name).mkdir()
    (folder / name / "labeled.txt").write_text("".join(f"{i} base\n" for i in labeled))
    (folder / name / "unlabeled.txt").write_text("".join(f"{i}\n" for i in unlabeled))
    lines = [f"{number}{data}{name}  {each}\n" for number, each in enumerate(LISTS)]
    (folder / name / "SHA256SUMS").write_text("".join(lines) + f"{data}  instances.json\n")


@pytest.fixture
def splits(tmp_path):
    """Two splits of one data set and one of another with the same ids."""
    commit(tmp_path, "coco-split1", "d1", [3, 7, 9, 20], [5, 11, 12, 13, 30, 31])
    commit(tmp_path, "coco-split2", "d1", [7, 11, 12, 20, 31], [3, 5, 9, 13, 30])
    commit(tmp_path, "lvis", "d2", [3, 7], [9])
    return tmp_path


def test_shares_of_each_split_and_of_chance(splits):
    assert overlap_csv(write_overlaps(splits)) == (
        "first,second,labeled,common,share,share_by_chance\n"
        "coco-split1,coco-split1,4,4,1.0000,0.4000\n"
        "coco-split1,coco-split2,4,2,0.5000,0.5000\n"
        "coco-split2,coco-split1,5,2,0.4000,0.4000\n"
        "coco-split2,coco-split2,5,5,1.0000,0.5000\n"
        "lvis,lvis,2,2,1.0000,0.6667\n"
    )
    assert (splits / "overlap.csv").read_text() == overlap_csv(overlaps(splits))


def test_splits_of_other_data_are_not_compared(splits):
    assert overlap_text(overlaps(splits)).splitlines() == [
        "labeled in   coco-split1  coco-split2     lvis",
        "coco-split1      100.0 %       50.0 %",
        "coco-split2       40.0 %      100.0 %",
        "lvis                                   100.0 %",
    ]


def test_broken_splits_at_once_and_none(splits, tmp_path):
    (splits / "coco-split1/labeled.txt").write_text("3 base\nx\n")
    (splits / "lvis/unlabeled.txt").unlink()
    with pytest.raises(GbssError) as caught:
        write_overlaps(splits)
    assert [fault.where for fault in caught.value.faults] == [
        f"{splits / 'coco-split1/labeled.txt'}: line 2",
        str(splits / "lvis/unlabeled.txt"),
    ]
    assert not (splits / "overlap.csv").exists()
    with pytest.raises(GbssError, match="no split"):
        overlaps(tmp_path / "none")
