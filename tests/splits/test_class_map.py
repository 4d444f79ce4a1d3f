import json
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.files import sha256
from gbss.splits.annotations import Annotations, read
from gbss.splits.build import build_split
from gbss.splits.class_map import join, map_classes, select
from gbss.splits.files import write_split
from gbss.splits.recipe import Recipe
from gbss.splits.verify import verify_split

NAMES = ("Fly", "Beast", "Worm", "Fish")
IDS = np.array([1, 4, 6, 9])
TO = {"ant": "Fly", "bee": "Fly", "cat": "Beast", "dog": None, "eel": "Worm"}
"""Two share a class, one has none, and Fish has none of them."""


def rows(annotations):
    """What an annotation says, whatever the columns are like."""
    return [
        (
            annotations.file_names[image],
            annotations.names[class_],
            box,
            crowd,
        )
        for image, class_, box, crowd in zip(
            annotations.box_images,
            annotations.box_classes,
            map(tuple, annotations.boxes.tolist()),
            annotations.crowd.tolist(),
            strict=True,
        )
    ]


@pytest.fixture
def mapped(annotations):
    return map_classes(annotations, TO, NAMES, IDS)


@pytest.fixture
def target(tmp_path):
    """A data set of the other label space; its file names and ids are like those of the first."""
    rng = np.random.default_rng(2)
    images = [
        {"id": 7 * number + 5, "file_name": f"set/{7 * number + 5}.png", "width": 64, "height": 48}
        for number in range(40)
    ]
    boxes = [
        {
            "id": 3 * number + 4,
            "image_id": int(rng.choice([image["id"] for image in images[:35]])),
            "category_id": int(rng.choice(IDS)),
            "bbox": [1, 2, int(rng.integers(3, 20)), 9],
            "area": 20,
            "iscrowd": 0,
        }
        for number in range(70)
    ]
    categories = [{"id": int(id_), "name": name} for id_, name in zip(IDS, NAMES, strict=True)]
    path = tmp_path / "target.json"
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return read(path, NAMES)


def test_boxes_get_the_class_of_the_map(annotations, mapped):
    expected = [
        (file, TO[name], box, crowd) for file, name, box, crowd in rows(annotations) if TO[name]
    ]
    kept = set(mapped.annotations.file_names)
    assert rows(mapped.annotations) == [row for row in expected if row[0] in kept]
    assert all(row[3] for row in expected if row[0] not in kept)
    assert mapped.annotations.names == NAMES
    assert mapped.annotations.category_ids.tolist() == IDS.tolist()


def test_what_has_no_place_is_counted(annotations, mapped):
    dogs = annotations.names.index("dog")
    assert mapped.dropped == {"dog": int((annotations.box_classes == dogs).sum())}
    sound = {
        image
        for image, class_, crowd in zip(
            annotations.box_images, annotations.box_classes, annotations.crowd, strict=True
        )
        if class_ != dogs and not crowd
    }
    assert mapped.emptied == 90 - len(sound)
    assert len(mapped.annotations.image_ids) == len(sound)


def test_a_wrong_map_is_refused_with_all_its_faults(annotations):
    wrong = {"ant": "Fly", "bea": "Fly", "cat": "Beats", "dog": None, "eel": "Worm"}
    with pytest.raises(GbssError) as caught:
        map_classes(annotations, wrong, NAMES, IDS)
    assert [fault.where.split(": ")[-1] for fault in caught.value.faults] == [
        "class 'bee'",
        "'bea'",
        "'cat'",
    ]
    assert "did you mean 'bee'?" in str(caught.value)
    assert "did you mean 'Beast'?" in str(caught.value)


def test_select_keeps_images_with_their_boxes(annotations):
    images = np.arange(90) % 3 == 1
    part = select(annotations, images)
    names = set(part.file_names)
    assert len(names) == 30
    assert rows(part) == [row for row in rows(annotations) if row[0] in names]
    assert part.image_ids.tolist() == annotations.image_ids[images].tolist()


def test_select_keeps_the_federated_lists(annotations):
    sizes = np.arange(90) % 4
    lists = np.concatenate([[0], np.cumsum(sizes)]), np.arange(sizes.sum()) % 5
    images = np.arange(90) % 7 == 2
    part = select(replace(annotations, negatives=lists), images)
    offsets, values = part.negatives
    kept = [lists[1][lists[0][n] : lists[0][n + 1]].tolist() for n in np.flatnonzero(images)]
    assert [values[a:b].tolist() for a, b in pairwise(offsets)] == kept


def test_joined_ids_do_not_collide_and_tell_where_they_are_from(target, mapped):
    both = join(target, mapped.annotations, ("images", "other/train"))
    assert np.all(np.diff(both.image_ids) > 0)
    assert np.all(np.diff(both.box_ids) > 0)
    assert both.image_ids[:40].tolist() == target.image_ids.tolist()
    assert both.image_ids[40:].tolist() == (mapped.annotations.image_ids + 1000).tolist()
    assert both.mapped.tolist() == [False] * 40 + [True] * len(mapped.annotations.image_ids)


def test_files_of_both_are_found_below_the_root(target, mapped):
    both = join(target, mapped.annotations, ("images", "other/train"))
    assert rows(both) == [
        *(("images/" + file, *rest) for file, *rest in rows(target)),
        *(("other/train/" + file, *rest) for file, *rest in rows(mapped.annotations)),
    ]


def test_every_column_is_joined(target, mapped):
    both = join(target, mapped.annotations, ("a", "b"))
    images, boxes = len(both.image_ids), len(both.box_ids)
    assert images != boxes
    for field in fields(Annotations):
        value = getattr(both, field.name)
        if isinstance(value, np.ndarray) and field.name != "category_ids":
            assert len(value) in (images, boxes), field.name


def test_ids_that_cannot_be_set_apart_are_refused(target, mapped):
    huge = replace(mapped.annotations, image_ids=mapped.annotations.image_ids + (2**63 - 1000))
    with pytest.raises(GbssError, match="ids that fit into 64 bits"):
        join(target, huge, ("a", "b"))


def test_ids_below_zero_are_set_apart_too(target, mapped):
    below = replace(mapped.annotations, image_ids=mapped.annotations.image_ids - 1200)
    both = join(target, below, ("a", "b"))
    assert np.all(np.diff(both.image_ids) > 0)


def test_the_split_labels_all_of_one_and_shots_of_the_other(target, mapped, tmp_path):
    both = join(target, mapped.annotations, ("images", "other"))
    recipe = Recipe(minority=("Fish",), share=1.0, shots=4, cap=6)
    split = build_split(both, recipe)
    shift = both.image_ids[40] - mapped.annotations.image_ids[0]
    assert split.base.tolist() == (mapped.annotations.image_ids + shift).tolist()
    assert set(split.few_shot) <= set(target.image_ids)
    assert set(split.unlabeled) == set(target.image_ids) - set(split.few_shot)

    write_split(split, both, lists=tmp_path / "lists", coco=tmp_path / "coco")
    sums = (tmp_path / "lists/SHA256SUMS").read_text()
    assert f"{sha256(target.path)}  target.json" in sums
    further = mapped.annotations.path
    assert f"{sha256(further)}  {further.parent.name}/{further.name}" in sums
    verify_split(both, recipe, tmp_path / "lists")

    labeled = json.loads((tmp_path / "coco/labeled.json").read_text())
    folders = {image["file_name"].split("/")[0] for image in labeled["images"]}
    assert folders == {"images", "other"}
    assert {each["category_id"] for each in labeled["annotations"]} == set(IDS.tolist())
    hidden = json.loads((tmp_path / "coco/unlabeled_hidden.json").read_text())
    assert {image["file_name"].split("/")[0] for image in hidden["images"]} == {"images"}
