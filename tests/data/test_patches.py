import json

import pytest

from gbss.data import patches as module
from gbss.data.fetch import fetch
from gbss.data.sources import Patches
from gbss.errors import GbssError

TRAIN = Patches(
    title="Pictures v2 train",
    page="https://pictures.example",
    annotations="annotations/train.json",
    images="train",
    count=12,
    absent=frozenset({"patch2/v1_0011.jpg"}),
)
# patch10 has no images; 0011 of patch2 was never released.
LISTED = {0: (3, 5), 1: (7,), 2: (9, 11, 12), 11: tuple(range(20, 40))}


def name_of(patch, number):
    return f"images/v1/patch{patch}/v1_{number:04d}.jpg"


@pytest.fixture
def root(tmp_path):
    """A complete root, with an annotation file whose names end in what looks like a name."""
    root = tmp_path / "data"
    images = [
        {"id": number, "file_name": name_of(patch, number), "url": 'a "file_name": "b.jpg"'}
        for patch, numbers in LISTED.items()
        for number in numbers
    ]
    (root / "annotations").mkdir(parents=True)
    (root / "annotations/train.json").write_text(json.dumps({"images": images}, indent=1))
    for patch, numbers in LISTED.items():
        folder = root / f"train/patch{patch}"
        folder.mkdir(parents=True)
        for number in numbers:
            if (patch, number) != (2, 11):
                (folder / f"v1_{number:04d}.jpg").write_bytes(b"picture")
    return root


def check(root):
    fetch([TRAIN], root, report=root.parent / "missing.txt")


def refused(root):
    with pytest.raises(GbssError) as caught:
        check(root)
    report = root.parent / "missing.txt"
    return caught.value.faults, report.read_text().splitlines() if report.exists() else []


def test_a_complete_root(root):
    check(root)
    assert not (root.parent / "missing.txt").exists()


@pytest.mark.parametrize("chunk", [7, 64, 999])
def test_names_are_found_across_the_borders_of_pieces(root, monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    check(root)
    (root / "train/patch11/v1_0033.jpg").unlink()
    assert refused(root)[1] == [str(root / "train/patch11/v1_0033.jpg")]


def test_missing_and_empty_images_are_named(root):
    (root / "train/patch0/v1_0005.jpg").unlink()
    (root / "train/patch2/v1_0012.jpg").write_bytes(b"")
    for number in range(21, 29):
        (root / f"train/patch11/v1_{number:04d}.jpg").unlink()
    (total, first, second, third), listed = refused(root)
    assert total.found.startswith("10 missing or empty images")
    assert first.where == str(root / "train/patch0")
    assert first.found == "1 of 2 images missing or empty: v1_0005.jpg"
    assert second.found == "1 of 2 images missing or empty: v1_0012.jpg"
    assert third.found.startswith("8 of 20 images missing or empty: v1_0021.jpg")
    assert third.found.endswith("v1_0025.jpg and 3 more")
    assert third.fix == "unpack patch11.tar.gz of Pictures v2 train again"
    assert len(listed) == 10
    assert listed[0] == str(root / "train/patch0/v1_0005.jpg")


def test_missing_folders_are_named_together(root):
    for patch in (1, 2):
        folder = root / f"train/patch{patch}"
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    (_, fault), listed = refused(root)
    assert fault.where == str(root / "train")
    assert fault.found == "2 of 4 folders missing: patch1, patch2"
    assert "https://pictures.example" in fault.fix
    assert "patch1.tar.gz" in fault.fix
    assert [name.rsplit("/", 1)[1] for name in listed] == [
        "v1_0007.jpg",
        "v1_0009.jpg",
        "v1_0012.jpg",
    ]


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_no_annotation_file(root, damage):
    path = root / "annotations/train.json"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    (first, second), listed = refused(root)
    assert first.where == str(path)
    assert (
        first.found == {"gone": "no such file", "cut": "a file that is cut off or not JSON"}[damage]
    )
    assert "log in at https://pictures.example" in first.fix
    assert second.found.startswith("8 of 12 folders missing: patch3, patch4")
    assert listed == []


def test_a_report_of_an_earlier_check_goes_away(root):
    (root / "train/patch1/v1_0007.jpg").unlink()
    refused(root)
    (root / "train/patch1/v1_0007.jpg").write_bytes(b"picture")
    check(root)
    assert not (root.parent / "missing.txt").exists()
