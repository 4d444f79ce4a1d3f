import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from gbss.errors import GbssError
from gbss.splits.build import build_split
from gbss.splits.coco_files import seen_boxes, write_coco
from gbss.splits.files import render_lists, write_lists, write_split
from gbss.splits.given import given_split
from gbss.splits.recipe import Target
from gbss.splits.verify import verify_split


@pytest.fixture
def split(annotations, recipe):
    """What the user has: a split that somebody else made."""
    return build_split(annotations, replace(recipe, seed=11))


@pytest.fixture
def files(split, annotations, tmp_path):
    """The split as COCO-format files and as lists, by name."""
    folder = tmp_path / "theirs"
    write_coco(split, annotations, folder)
    texts = {
        "labeled.txt": render_lists(split, annotations)["labeled.txt"],
        "plain.txt": "".join(f"{i:012d}\n" for i in np.union1d(split.base, split.few_shot)),
        "base.txt": "".join(f"{i}\n" for i in split.base),
        "few-shot.txt": "".join(f"{i}\n" for i in split.few_shot),
        "unlabeled.txt": "".join(f"{i}\n" for i in split.unlabeled),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {path.name: path for path in folder.iterdir()}


def take(annotations, recipe, files, **names):
    roles = {role.replace("_", "-"): files[name] for role, name in names.items()}
    return given_split(annotations, recipe, roles)


def found(annotations, recipe, files, **names):
    with pytest.raises(GbssError) as caught:
        take(annotations, recipe, files, **names)
    assert all(fault.expected and fault.fix for fault in caught.value.faults)
    return [(fault.where, fault.found) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "names",
    [
        {"labeled": "labeled.json", "unlabeled": "unlabeled.json"},
        {"labeled": "labeled.json"},
        {"labeled": "labeled.json", "unlabeled": "unlabeled.txt"},
        {"labeled": "labeled.txt"},
        {"labeled": "labeled.txt", "few_shot": "few-shot.txt"},
        {"labeled": "plain.txt", "few_shot": "few-shot.txt"},
        {"labeled": "base.txt", "few_shot": "few-shot.txt"},
        {"labeled": "base.txt", "few_shot": "few-shot.txt", "unlabeled": "unlabeled_hidden.json"},
        {"few_shot": "few-shot.txt", "unlabeled": "unlabeled.json"},
        {"few_shot": "few-shot.txt", "unlabeled": "unlabeled.txt"},
    ],
)
def test_every_form_gives_the_same_split(annotations, recipe, files, split, names):
    given = take(annotations, recipe, files, **names)
    # A few-shot image is one where the minority shows: a labeled file cannot tell more.
    assert given.few_shot.tolist() == split.few_shot.tolist()
    assert given.base.tolist() == split.base.tolist()
    assert given.unlabeled.tolist() == split.unlabeled.tolist()
    assert (seen_boxes(given, annotations) == seen_boxes(split, annotations)).all()


def test_ids_that_no_annotation_file_holds(annotations, recipe, files):
    large = 2**63 + 5
    text = files["few-shot.txt"].read_text()
    files["few-shot.txt"].write_text(f"{text}{large}\n")
    content = json.loads(files["unlabeled.json"].read_text())
    content["images"][1]["id"] = -large
    files["unlabeled.json"].write_text(json.dumps(content))
    places = found(
        annotations, recipe, files, few_shot="few-shot.txt", unlabeled="unlabeled.json"
    )
    assert (f"{files['few-shot.txt']}: line {len(text.split()) + 1}", f"'{large}'") in places
    assert any(where.endswith("unlabeled.json: images[1]") for where, _ in places)


def test_recipe_names_the_files_and_counts_are_compared(annotations, recipe, files, tmp_path):
    recipe = replace(recipe, targets={"dog": Target(5, 17)})
    given = take(annotations, recipe, files, few_shot="few-shot.txt", unlabeled="unlabeled.txt")
    write_split(given, annotations, lists=tmp_path / "lists", coco=tmp_path / "coco")
    content = yaml.safe_load((tmp_path / "lists/recipe.yaml").read_text())
    assert content["source"] == "given"
    assert content["minority"] == ["bee", "dog"]
    assert list(content["given"]) == ["few-shot", "unlabeled"]
    digest = hashlib.sha256(files["unlabeled.txt"].read_bytes()).hexdigest()
    assert content["given"]["unlabeled"] == {"name": "unlabeled.txt", "sha256": digest}
    assert ",5,17," in (tmp_path / "lists/counts.csv").read_text()


def test_a_given_split_is_verified_without_its_files(annotations, recipe, files, tmp_path):
    # Neither the share nor the shots of the recipe hold, and need not.
    strict = replace(recipe, share=0.7, shots=17, cap=None)
    given = take(annotations, strict, files, labeled="labeled.json")
    write_lists(render_lists(given, annotations), tmp_path / "lists")
    for path in files.values():
        path.unlink()
    verified = verify_split(annotations, strict, tmp_path / "lists")
    assert verified.few_shot.tolist() == given.few_shot.tolist()
    assert verified.recipe == given.recipe
    with pytest.raises(GbssError, match=r"recipe\.yaml"):
        verify_split(annotations, replace(strict, minority=("dog",)), tmp_path / "lists")


def test_without_a_minority_a_plain_list_is_enough(annotations, recipe, files, split):
    given = take(annotations, replace(recipe, minority=()), files, labeled="plain.txt")
    assert given.base.tolist() == np.union1d(split.base, split.few_shot).tolist()
    assert not len(given.few_shot)


@pytest.mark.parametrize("role", ["few_shot", "labeled", "unlabeled"])
def test_beside_a_labeled_data_set_one_list_says_all(both, recipe, tmp_path, role):
    own, mapped = both.image_ids[~both.mapped], both.image_ids[both.mapped]
    held = np.unique(both.box_images[both.counted & ~both.mapped[both.box_images]])
    # Images without a minority box among them, as in the authors' lists.
    few_shot = both.image_ids[held][:40]
    lists = {
        "few_shot": few_shot,
        "labeled": np.union1d(few_shot, mapped),
        "unlabeled": np.setdiff1d(own, few_shot),
    }
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{id_}\n" for id_ in lists[role]))
    given = take(both, recipe, {"list": path}, **{role: "list"})
    assert given.few_shot.tolist() == few_shot.tolist()
    assert given.base.tolist() == mapped.tolist()
    assert given.unlabeled.tolist() == lists["unlabeled"].tolist()


def test_lists_alone_must_say_what_is_labeled(annotations, recipe, files):
    ((where, what),) = found(annotations, recipe, files, few_shot="few-shot.txt")
    assert (where, what) == ("the given split", "only few-shot")


def test_bad_lists_in_one_report(annotations, recipe, files, split):
    base, few_shot, pool = (p.tolist() for p in (split.base, split.few_shot, split.unlabeled))
    with files["labeled.txt"].open("a") as stream:
        stream.write(f"x17 base\n{base[0]} base\n6 base\n{pool[0]} novel\n{pool[1]} base\n")
    files["unlabeled.txt"].write_text("".join(f"{id_}\n" for id_ in [*pool[2:], base[1]]))
    labeled, unlabeled = str(files["labeled.txt"]), str(files["unlabeled.txt"])
    last = len(base) + len(few_shot)
    both = f"{labeled} and {unlabeled}"
    names = {"labeled": "labeled.txt", "unlabeled": "unlabeled.txt"}
    assert found(annotations, recipe, files, **names) == [
        (f"{labeled}: line {last + 1}", "'x17 base'"),
        (f"{labeled}: line {last + 2}", f"image {base[0]} again"),
        (f"{labeled}: line {last + 4}", f"'{pool[0]} novel'"),
        (both, f"images in both lists: {base[1]}"),
        (both, f"images in no list: {pool[0]}"),
        (both, "unknown images: 6"),
    ]


def test_labeled_images_of_unknown_source(annotations, recipe, files, split):
    # Once no word at all, once in a single line.
    ((where, what),) = found(annotations, recipe, files, labeled="plain.txt")
    assert where == str(files["plain.txt"])
    assert what.startswith("no word on whether labeled images are base or few-shot: ")
    text = files["labeled.txt"].read_text()
    files["labeled.txt"].write_text(text.replace(f"{split.base[2]} base", f"{split.base[2]}"))
    ((_, what),) = found(annotations, recipe, files, labeled="labeled.txt")
    assert what.endswith(f": {split.base[2]}")


def test_few_shot_images_that_are_none(annotations, recipe, files, split, coco):
    few_shot = str(files["few-shot.txt"])
    minority = {box["image_id"] for box in coco["annotations"] if box["category_id"] in (3, 8)}
    plain = next(id_ for id_ in split.base.tolist() if id_ not in minority)
    with files["few-shot.txt"].open("a") as stream:
        stream.write(f"{plain}\n")
    names = {"labeled": "labeled.txt", "few_shot": "few-shot.txt"}
    assert found(annotations, recipe, files, **names) == [
        (few_shot, f"base images according to {files['labeled.txt']}: {plain}"),
        (few_shot, f"few-shot images without a minority box: {plain}"),
    ]


def test_a_minority_class_without_images(annotations, recipe, files, split, coco):
    dogs = {b["image_id"] for b in coco["annotations"] if b["category_id"] == 8}
    kept = [id_ for id_ in split.few_shot.tolist() if id_ not in dogs]
    files["few-shot.txt"].write_text("".join(f"{id_}\n" for id_ in kept))
    names = {"labeled": "base.txt", "few_shot": "few-shot.txt"}
    assert found(annotations, recipe, files, **names) == [
        (str(files["few-shot.txt"]), "no few-shot image with dog")
    ]


def test_labeled_file_that_does_not_keep_the_rule(annotations, recipe, files, split):
    path = files["labeled.json"]
    content = json.loads(path.read_text())
    few_shot, base = set(split.few_shot.tolist()), split.base.tolist()
    boxes = content["annotations"]
    one_less = next(
        box
        for box in boxes
        if box["image_id"] in few_shot
        and sum(b["image_id"] == box["image_id"] and b["category_id"] in (3, 8) for b in boxes) > 1
        and box["category_id"] in (3, 8)
        and not box["iscrowd"]
    )
    gone = next(b for b in boxes if b["image_id"] == base[1] and not b["iscrowd"])
    content["annotations"] = [box for box in boxes if box not in (one_less, gone)]
    path.write_text(json.dumps(content))
    assert found(annotations, recipe, files, labeled="labeled.json") == [
        (str(path), f"other majority boxes in images {base[1]}"),
        (str(path), f"other minority boxes in images {one_less['image_id']}"),
    ]


def test_boxes_may_be_numbered_anew_and_crowds_left_out(annotations, recipe, files, split):
    path = files["labeled.json"]
    content = json.loads(path.read_text())
    content["annotations"] = [
        {**box, "id": number}
        for number, box in enumerate(content["annotations"])
        if not box["iscrowd"]
    ]
    path.write_text(json.dumps(content))
    assert take(annotations, recipe, files, labeled="labeled.json").base.tolist() == (
        split.base.tolist()
    )


def test_labeled_file_of_other_categories(annotations, recipe, files):
    content = json.loads(files["labeled.json"].read_text())
    content["categories"].append({"id": 99, "name": "fox"})
    files["labeled.json"].write_text(json.dumps(content))
    faults = found(annotations, recipe, files, labeled="labeled.json")
    assert faults == [(str(files["labeled.json"]), "unknown category ids: 99")]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no images"),
        ("[3, 4]", "no list 'images'"),
        ('{"images": 3}', "no list 'images'"),
        ('{"images": []}', "no images"),
        ('{"images": [{"id": 5}, {"id"', "truncated or not JSON"),
        ('{"images": [{"id": "5"}]}', "{'id': '5'}"),
        ('{"images": [{"id": 5}, {"id": 12}, {"id": 5}]}', "image 5 again"),
        ('{"images": [{"id": true}]}', "{'id': True}"),
        ('{"images": [{"id": 6}]}', "unknown images: 6"),
        ("5\n\n12\n", "''"),
        ("5 base\n", "'5 base'"),
        ("5,\n", "'5,'"),
        ("\u0665\n", "images in no list"),
    ],
)
def test_bad_files_of_unlabeled_images(annotations, recipe, files, text, what):
    files["unlabeled.txt"].write_text(text)
    names = {"labeled": "labeled.txt", "unlabeled": "unlabeled.txt"}
    faults = found(annotations, recipe, files, **names)
    assert any(what in said for _, said in faults)


def test_files_that_cannot_be_read_are_named_together(annotations, recipe, files, tmp_path):
    files["labeled.json"].write_text("{")
    paths = {"labeled": files["labeled.json"], "few-shot": tmp_path / "none", "unlabeled": tmp_path}
    with pytest.raises(GbssError) as caught:
        given_split(annotations, recipe, paths)
    assert [fault.where for fault in caught.value.faults] == [
        f"{files['labeled.json']}: line 1, column 2",
        str(tmp_path / "none"),
        str(tmp_path),
    ]
    assert caught.value.faults[1].found == "No such file or directory"
    assert caught.value.faults[2].found == "Is a directory"
