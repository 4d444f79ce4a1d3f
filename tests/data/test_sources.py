import re
from pathlib import PurePosixPath

import pytest

from gbss.data import sources
from gbss.data.sources import COCO, COCO_OBJECTS365, LVIS, Archive, Patches

ARCHIVES = {source.name: source for source in (*COCO, *LVIS) if isinstance(source, Archive)}


@pytest.mark.parametrize("archive", ARCHIVES.values(), ids=list(ARCHIVES))
def test_an_archive_is_fully_described(archive):
    assert re.fullmatch(r"https?://[a-z.]+/.+/[a-z0-9_.]+\.zip", archive.url)
    assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
    assert archive.size < archive.unpacked < 6 * archive.size
    for part in archive.parts:
        assert part.member.endswith("/") == bool(part.images)
        assert ".." not in PurePosixPath(part.path).parts


def test_the_archives_there_are():
    assert {name: archive.size for name, archive in ARCHIVES.items()} == {
        "train2017.zip": 19_336_861_798,
        "val2017.zip": 815_585_330,
        "annotations_trainval2017.zip": 252_907_541,
        "lvis_v1_train.json.zip": 350_264_821,
        "lvis_v1_val.json.zip": 64_026_968,
    }
    assert len({archive.sha256 for archive in ARCHIVES.values()}) == 5


def test_lvis_shares_the_images_of_coco():
    assert [source.name for source in LVIS[:2]] == ["train2017.zip", "val2017.zip"]
    assert LVIS[:2] == sources.COCO_IMAGES == COCO[:2]


def test_two_data_sets_in_one_root():
    archives = [source for source in COCO_OBJECTS365 if isinstance(source, Archive)]
    patches = [source for source in COCO_OBJECTS365 if isinstance(source, Patches)]
    assert [part.path for archive in archives for part in archive.parts] == [
        "coco/train2017",
        "coco/val2017",
        "coco/annotations/instances_train2017.json",
        "coco/annotations/instances_val2017.json",
    ]
    assert [(each.annotations, each.images, each.count) for each in patches] == [
        ("objects365/annotations/zhiyuan_objv2_train.json", "objects365/train", 51),
        ("objects365/annotations/zhiyuan_objv2_val.json", "objects365/val", 44),
    ]
    assert sorted(patches[0].absent) == [
        "patch16/objects365_v2_00908726.jpg",
        "patch6/objects365_v1_00320532.jpg",
        "patch6/objects365_v1_00320534.jpg",
    ]
