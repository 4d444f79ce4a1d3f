import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.splits.annotations import read
from gbss.splits.files import write_split
from gbss.splits.folder import read_folder
from gbss.splits.pool import add_pool, pool_split
from gbss.splits.recipe import Recipe
from gbss.splits.source import choose_split
from gbss.splits.verify import verify_split

RECIPE = Recipe(minority=())
FOLDERS = Path("data/labeled"), Path("data/pool")


@pytest.fixture
def labeled(own_data):
    return read(Path("data/labeled.json"))


def joined(labeled, pool=None, say=print):
    return add_pool(labeled, pool or read_folder(FOLDERS[1], print), FOLDERS, say)


def write(tmp_path, content):
    path = tmp_path / "more.json"
    path.write_text(json.dumps(content))
    return path


def test_ids_of_the_pool_are_set_apart(labeled):
    whole = joined(labeled)
    assert whole.image_ids.tolist() == [3, 5, 8, 21, 40, 41, 101, 102, 103, 104]
    assert whole.pool.tolist() == [False] * 6 + [True] * 4
    assert whole.file_names[6:] == ("3.png", "a.jpg", "deep/c.jpeg", "deep/er/b.PNG")
    assert np.array_equal(whole.box_classes, labeled.box_classes)
    assert list(whole.sources) == ["labeled.json", "data/pool"]


def test_images_that_are_labeled_too_are_left_out(labeled):
    """3.png is another image of the same name; 8.png is a copy of a labeled one."""
    shutil.copy("data/labeled/8.png", "data/pool/deep/8.png")
    said = []
    whole = joined(labeled, say=said.append)
    assert "deep/8.png" not in whole.file_names
    assert "3.png" in whole.file_names[6:]
    assert said == [
        "data/pool: 1 images have the name of a labeled one and other content; "
        "they stay, the first is '3.png'",
        "data/pool: left out 1 of 5 images, which are labeled, too; the first is 'deep/8.png'",
    ]


def test_one_folder_with_labeled_and_unlabeled_images(labeled):
    shutil.copytree("data/pool", "data/labeled", dirs_exist_ok=True)
    folders = FOLDERS[0], FOLDERS[0]
    shutil.copy("data/val/6.png", "data/labeled/6.png")
    whole = add_pool(labeled, read_folder(FOLDERS[0], print), folders, print)
    # 3.png of the pool replaced the labeled one, so it is one file.
    assert whole.file_names[6:] == ("6.png", "a.jpg", "deep/c.jpeg", "deep/er/b.PNG")


def test_a_pool_of_labeled_images_alone_is_none(labeled):
    with pytest.raises(GbssError, match="6 images, all of them labeled"):
        add_pool(labeled, read_folder(FOLDERS[0], print), (FOLDERS[0], FOLDERS[0]), print)


def test_all_that_is_labeled_is_labeled_with_all_boxes(labeled, tmp_path):
    whole = joined(labeled)
    split = choose_split(whole, RECIPE, tmp_path / "zoo", files={}, factor=None)
    write_split(split, whole, lists=tmp_path / "zoo", coco=tmp_path / "coco")
    ours = json.loads((tmp_path / "coco/labeled.json").read_text())
    assert len(ours["annotations"]) == len(labeled.box_ids) == 12
    pool = json.loads((tmp_path / "coco/unlabeled.json").read_text())
    assert [image["file_name"] for image in pool["images"]] == list(whole.file_names[6:])
    assert not pool["annotations"]
    assert len(read(tmp_path / "coco/unlabeled.json", classes=labeled.names).image_ids) == 4
    # From now on the lists count, and they are checked.
    again = choose_split(whole, RECIPE, tmp_path / "zoo", files={}, factor=None)
    assert again.unlabeled.tolist() == [101, 102, 103, 104]
    (tmp_path / "data/pool/a.jpg").unlink()
    with pytest.raises(GbssError, match="data/pool\n(?s:.*)or remove .*zoo and split what there is"):
        verify_split(joined(labeled), RECIPE, tmp_path / "zoo")


def test_what_is_unknown_of_the_pool_stays_empty(labeled, tmp_path):
    whole = joined(labeled)
    write_split(pool_split(whole, RECIPE), whole, lists=tmp_path / "zoo", coco=tmp_path / "coco")
    with (tmp_path / "zoo/counts.csv").open() as stream:
        owl = next(csv.DictReader(stream))
    assert (owl["name"], owl["group"]) == ("owl", "")
    assert (owl["labeled_images"], owl["labeled_boxes"], owl["removed_boxes"]) == ("4", "5", "0")
    assert owl["unlabeled_images"] == owl["unlabeled_boxes"] == ""


def test_boxes_of_the_pool_are_hidden(labeled, tmp_path):
    content = json.loads(Path("data/val.json").read_text())
    whole = joined(labeled, read(write(tmp_path, content), unlabeled=True))
    write_split(pool_split(whole, RECIPE), whole, lists=tmp_path / "zoo", coco=tmp_path / "coco")
    found = {
        name: json.loads((tmp_path / f"coco/{name}.json").read_text())["annotations"]
        for name in ("labeled", "unlabeled", "unlabeled_hidden")
    }
    assert [len(boxes) for boxes in found.values()] == [12, 0, 5]
    hidden = sorted((box["image_id"], box["category_id"]) for box in found["unlabeled_hidden"])
    assert hidden == [(102, 4), (102, 9), (102, 11), (106, 4), (106, 30)]
    counts = (tmp_path / "zoo/counts.csv").read_text().splitlines()
    assert counts[1].endswith("4,5,5,0,0,2,2,,")


@pytest.mark.parametrize("kept", [("images",), ("images", "categories")])
def test_a_list_of_images_needs_no_annotations(labeled, tmp_path, kept):
    """As COCO's image_info_unlabeled2017.json; its categories do not count."""
    content = json.loads(Path("data/val.json").read_text())
    content["categories"] = [{"id": 1, "name": "person"}]
    path = write(tmp_path, {key: content[key] for key in kept})
    assert joined(labeled, read(path, unlabeled=True)).names == labeled.names
    with pytest.raises(GbssError, match="no 'annotations'"):
        read(path)
    with pytest.raises(GbssError, match="no 'categories'"):
        content.pop("categories")
        read(write(tmp_path, content), unlabeled=True)


def test_lists_of_a_federated_file_are_kept(labeled, tmp_path):
    sets = np.array([0, 1, 1, 3, 3, 3, 4]), np.array([2, 0, 3, 1])
    whole = joined(replace(labeled, negatives=sets, not_exhaustive=sets))
    write_split(pool_split(whole, RECIPE), whole, lists=tmp_path / "zoo", coco=tmp_path / "coco")
    ours = json.loads((tmp_path / "coco/labeled.json").read_text())["images"]
    ids = [image["neg_category_ids"] for image in ours]
    assert ids == [[11], [], [4, 30], [], [], [9]]
    assert "neg_category_ids" not in (tmp_path / "coco/unlabeled.json").read_text()
    hidden = json.loads((tmp_path / "coco/unlabeled_hidden.json").read_text())["images"]
    assert [image["not_exhaustive_category_ids"] for image in hidden] == [[]] * 4


def test_nothing_is_drawn_or_given_besides(labeled, tmp_path):
    for asked in ({"files": {}, "factor": 0.5}, {"files": {"labeled": tmp_path}, "factor": None}):
        with pytest.raises(GbssError, match="the task itself says which images are labeled"):
            choose_split(joined(labeled), RECIPE, tmp_path, **asked)
