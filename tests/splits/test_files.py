import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.coco_files import check_coco, write_validation
from gbss.splits.files import write_split
from gbss.splits.recipe import Target

MINORITY = {3, 8}
NAMES = ["SHA256SUMS", "counts.csv", "labeled.txt", "recipe.yaml", "unlabeled.txt"]


@pytest.fixture
def split(annotations, recipe):
    return build_split(annotations, recipe)


@pytest.fixture
def written(split, annotations, tmp_path):
    """Writes the split and returns the folders of lists and annotation files."""
    lists, coco = tmp_path / "lists", tmp_path / "coco"
    write_split(split, annotations, lists=lists, coco=coco)
    return lists, coco


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def load(path):
    return json.loads(path.read_bytes())


def test_lists(written, split):
    lists, _ = written
    assert sorted(content(lists)) == NAMES
    lines = (lists / "labeled.txt").read_text().splitlines()
    ids = {source: [] for source in ("base", "few-shot")}
    for line in lines:
        ids[line.split(" ")[1]].append(int(line.split(" ")[0]))
    assert ids == {"base": split.base.tolist(), "few-shot": split.few_shot.tolist()}
    assert [int(line.split()[0]) for line in lines] == sorted(ids["base"] + ids["few-shot"])
    unlabeled = (lists / "unlabeled.txt").read_text().splitlines()
    assert unlabeled == [str(id_) for id_ in split.unlabeled]


def test_base_images_keep_majority_annotations_only(written, split, coco):
    labeled = load(written[1] / "labeled.json")
    base, few_shot = set(split.base.tolist()), set(split.few_shot.tolist())
    assert {image["id"] for image in labeled["images"]} == base | few_shot
    kept = {box["id"] for box in labeled["annotations"]}
    assert kept == {
        box["id"]
        for box in coco["annotations"]
        if box["image_id"] in few_shot
        or (box["image_id"] in base and box["category_id"] not in MINORITY)
    }
    removed = [b for b in coco["annotations"] if b["image_id"] in base and b["id"] not in kept]
    assert len(removed) > 3
    assert any(box["iscrowd"] for box in labeled["annotations"])


def test_unlabeled_images_come_without_annotations_but_keep_them_hidden(written, split, coco):
    unlabeled, hidden = (
        load(written[1] / name) for name in ("unlabeled.json", "unlabeled_hidden.json")
    )
    pool = set(split.unlabeled.tolist())
    assert unlabeled["annotations"] == []
    assert unlabeled["images"] == hidden["images"]
    assert [image["id"] for image in unlabeled["images"]] == split.unlabeled.tolist()
    assert {box["id"] for box in hidden["annotations"]} == {
        box["id"] for box in coco["annotations"] if box["image_id"] in pool
    }


def test_entries_are_the_originals_without_polygons(written, coco):
    originals = {box["id"]: box for box in coco["annotations"]}
    for name in ("labeled.json", "unlabeled_hidden.json"):
        part = load(written[1] / name)
        assert [each["id"] for each in part["categories"]] == [2, 3, 7, 8, 13]
        for box in part["annotations"]:
            assert set(box) == {"id", "image_id", "category_id", "bbox", "area", "iscrowd"}
            assert box.items() <= originals[box["id"]].items()
        for image in part["images"]:
            assert image["file_name"] == f"set/{image['id']}.png"
            assert image["width"] == 40 + (image["id"] - 5) // 7


def test_counts_add_up(written, split, coco):
    rows = list(csv.DictReader((written[0] / "counts.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["ant", "bee", "cat", "dog", "eel"]
    assert [row["group"] for row in rows] == [
        "majority",
        "minority",
        "majority",
        "minority",
        "majority",
    ]
    pool = set(split.unlabeled.tolist())
    few_shot = set(split.few_shot.tolist())
    labeled = load(written[1] / "labeled.json")["annotations"]
    for row in rows:
        id_ = int(row["id"])
        boxes = [
            box for box in coco["annotations"] if box["category_id"] == id_ and not box["iscrowd"]
        ]
        ours = [box for box in labeled if box["category_id"] == id_ and not box["iscrowd"]]
        hidden = [box for box in boxes if box["image_id"] in pool]
        shots = [box for box in boxes if box["image_id"] in few_shot]
        assert int(row["labeled_boxes"]) == len(ours)
        assert int(row["labeled_images"]) == len({box["image_id"] for box in ours})
        assert int(row["few_shot_boxes"]) == len(shots)
        assert int(row["base_boxes"]) == len(ours) - len(shots)
        assert int(row["unlabeled_boxes"]) == len(hidden)
        assert int(row["unlabeled_images"]) == len({box["image_id"] for box in hidden})
        assert int(row["removed_boxes"]) == len(boxes) - len(ours) - len(hidden)
        assert row["target_images"] == row["target_boxes"] == ""
    assert [int(row["base_boxes"]) for row in rows if row["group"] == "minority"] == [0, 0]
    assert [int(row["removed_boxes"]) for row in rows if row["group"] == "majority"] == [0, 0, 0]


def test_counts_name_the_targets_where_stated(annotations, recipe, tmp_path):
    split = build_split(annotations, replace(recipe, targets={"dog": Target(5, 17)}))
    write_split(split, annotations, lists=tmp_path / "l", coco=tmp_path / "c")
    rows = (tmp_path / "l" / "counts.csv").read_text().splitlines()
    head = ",target_images,target_boxes,deviation_images,deviation_percent,deviation_boxes"
    assert rows[0].endswith(head)
    assert rows[4].startswith("8,dog,minority,")
    images, boxes = map(int, rows[4].split(",")[3:5])
    percent = f"{(images - 5) / 5 * 100:+.2f}"
    assert rows[4].endswith(f",5,17,{images - 5:+d},{percent},{boxes - 17:+d}")
    assert rows[5].endswith(",,,,,")


def test_checksums(written, annotations):
    lines = (written[0] / "SHA256SUMS").read_text().splitlines()
    paths = [written[0] / name for name in ("labeled.txt", "unlabeled.txt")]
    paths += [written[0] / name for name in ("counts.csv", "recipe.yaml")]
    paths.append(annotations.path)
    assert lines == [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in paths
    ]
    assert lines[-1].endswith("  instances.json")


def test_identical_bytes_and_untouched_lists(written, annotations, recipe, tmp_path):
    lists, coco = written
    times = {path: path.stat().st_mtime_ns for path in lists.iterdir()}
    again = build_split(read(annotations.path), recipe)
    write_split(again, annotations, lists=lists, coco=tmp_path / "coco2")
    assert times == {path: path.stat().st_mtime_ns for path in lists.iterdir()}
    assert content(coco) == content(tmp_path / "coco2")
    write_split(again, annotations, lists=tmp_path / "lists2", coco=coco)
    assert content(lists) == content(tmp_path / "lists2")


def test_a_missing_list_is_written_again(written, split, annotations):
    lists, coco = written
    before = content(lists)
    (lists / "counts.csv").unlink()
    write_split(split, annotations, lists=lists, coco=coco)
    assert content(lists) == before


def test_another_split_is_refused_and_nothing_changes(written, annotations, recipe):
    lists, coco = written
    (lists / "counts.csv").unlink()
    before = content(lists), content(coco)
    other = build_split(annotations, replace(recipe, seed=2))
    with pytest.raises(GbssError) as caught:
        write_split(other, annotations, lists=lists, coco=coco)
    assert [fault.where for fault in caught.value.faults] == [
        str(lists / name) for name in ("labeled.txt", "unlabeled.txt", "recipe.yaml", "SHA256SUMS")
    ]
    assert caught.value.faults[0].found == "a committed split that differs from the new one"
    assert f"remove {lists} to replace it" in caught.value.faults[0].fix
    assert (content(lists), content(coco)) == before


def test_federated_lists_are_kept_but_for_unlabeled_images(coco, write, recipe, tmp_path):
    for number, image in enumerate(coco["images"]):
        image["neg_category_ids"] = [13, 3][: number % 3]
        image["not_exhaustive_category_ids"] = [8] if number % 7 == 0 else []
    annotations = read(write(coco))
    split = build_split(annotations, recipe)
    write_split(split, annotations, lists=tmp_path / "lists", coco=tmp_path)
    write_validation(annotations, tmp_path / "val.json")
    listed = {
        image["id"]: (sorted(image["neg_category_ids"]), image["not_exhaustive_category_ids"])
        for image in coco["images"]
    }
    for name in ("labeled", "unlabeled_hidden", "val"):
        for image in json.loads((tmp_path / f"{name}.json").read_text())["images"]:
            found = (image["neg_category_ids"], image["not_exhaustive_category_ids"])
            assert found == listed[image["id"]]
    for image in json.loads((tmp_path / "unlabeled.json").read_text())["images"]:
        assert set(image) == {"id", "file_name", "width", "height"}


def test_a_split_that_is_cut_short_leaves_nothing_to_train_on(
    written, split, annotations, monkeypatch
):
    lists, coco = written
    shutil.rmtree(lists)

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("gbss.splits.files.write_coco", killed)
    moved = np.sort(np.append(split.unlabeled[1:], split.base[0]))
    base = np.sort(np.append(split.base[1:], split.unlabeled[0]))
    other = replace(split, base=base, unlabeled=moved)
    with pytest.raises(KeyboardInterrupt):
        write_split(other, annotations, lists=lists, coco=coco)
    assert not (coco / "labeled.json").exists()


def test_files_that_training_reads_are_held_against_the_split(written, split, annotations):
    _, coco = written
    check_coco(split, annotations, coco)
    (coco / "labeled.json").write_text("{}")
    (coco / "unlabeled.json").unlink()
    with pytest.raises(GbssError) as error:
        check_coco(split, annotations, coco)
    assert [(Path(fault.where).name, fault.found) for fault in error.value.faults] == [
        ("labeled.json", "other content than the split gives"),
        ("unlabeled.json", "no such file"),
    ]
    assert not list(coco.parent.glob(".verify-*"))
