import json
import os
import subprocess
import sys
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from made import coco as made

from gbss import tasks
from gbss.errors import GbssError
from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.files import render_lists
from gbss.splits.recipe import Recipe, Target
from gbss.splits.targets import box_counts

IMAGES = 6000
SPLITS = ("coco-split1", "coco-split2")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A twentieth of COCO train2017, as far as its statistics go."""
    path = tmp_path_factory.mktemp("made") / "instances.json"
    made.write(made.make(IMAGES), path)
    return path


@pytest.fixture(scope="module")
def train(path):
    return read(path, classes=tasks.get("coco-split1").classes)


def strict(name, **changes):
    """The recipe of a task for a file of this size, which must reach its counts."""
    scaled = tasks.get(name).recipe.scaled(IMAGES / made.IMAGES)
    return replace(scaled, factor=1.0, **changes)


def image_counts(path, split, minority):
    """Labeled images and boxes per class name: a slow plain reference."""
    content = json.loads(path.read_text())
    names = {each["id"]: each["name"] for each in content["categories"]}
    base, few_shot = set(split.base.tolist()), set(split.few_shot.tolist())
    images, boxes = {name: set() for name in names.values()}, dict.fromkeys(names.values(), 0)
    for box in content["annotations"]:
        name = names[box["category_id"]]
        seen = few_shot if name in minority else base | few_shot
        if not box["iscrowd"] and box["image_id"] in seen:
            images[name].add(box["image_id"])
            boxes[name] += 1
    return {name: len(ids) for name, ids in images.items()}, boxes


def test_the_made_file_has_the_statistics_of_coco(train):
    counts = box_counts(train, np.arange(len(train.image_ids)))
    held = dict(zip(train.names, (counts > 0).sum(axis=0).tolist(), strict=True))
    factor = IMAGES / made.IMAGES
    assert {name: held[name] for _, name, *_ in made.CLASSES} == {
        name: max(round(images * factor), 3) for _, name, _, images, _ in made.CLASSES
    }
    assert sum(boxes for *_, boxes in made.CLASSES) == 849_949
    assert (counts.sum(axis=1) == 0).sum() == round(1021 * factor)
    assert train.crowd.sum() > 100
    together = (counts > 0).astype(int).T @ (counts > 0)
    fork, knife, skis = (train.names.index(name) for name in ("fork", "knife", "skis"))
    assert together[fork, knife] > 5 * together[fork, skis]


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("name", SPLITS)
def test_total_and_minority_are_exact_and_majority_is_near(path, train, name, seed):
    recipe = strict(name, seed=seed)
    split = build_split(train, recipe)
    assert len(split.base) + len(split.few_shot) == recipe.labeled
    images, boxes = image_counts(path, split, recipe.minority)
    off = {
        each: abs(images[each] - target.images) / target.images
        for each, target in recipe.targets.items()
    }
    assert {off[each] for each in recipe.minority} == {0}
    majority = [off[each] for each in train.names if each not in recipe.minority]
    assert max(majority) <= 0.05
    assert median(majority) == 0
    # Images come first; the boxes of the minority follow as well as they can.
    wanted = sum(recipe.targets[each].boxes for each in recipe.minority)
    assert abs(sum(boxes[each] for each in recipe.minority) - wanted) <= 0.1 * wanted


@pytest.mark.parametrize("name", SPLITS)
def test_the_three_parts_divide_the_images(train, name):
    split = build_split(train, strict(name))
    parts = [split.base, split.few_shot, split.unlabeled]
    assert np.array_equal(np.sort(np.concatenate(parts)), train.image_ids)
    counts = box_counts(train, np.searchsorted(train.image_ids, split.base))
    minority = np.isin(train.names, split.recipe.minority)
    assert counts[:, ~minority].any(axis=1).all()


def test_a_seed_draws_its_own_split(train):
    first, again, other = (build_split(train, strict("coco-split1", seed=s)) for s in (1, 1, 2))
    assert np.array_equal(first.base, again.base)
    assert np.array_equal(first.few_shot, again.few_shot)
    # Most of a draw is random: two splits share hardly more than chance would have it.
    common = len(np.intersect1d(first.base, other.base)) / len(first.base)
    assert common < 0.3


PRINT_LISTS = """
import sys
from pathlib import Path
from dataclasses import replace
from gbss import tasks
from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.files import render_lists
recipe = replace(tasks.get("coco-split2").recipe.scaled(float(sys.argv[2])), factor=1.0)
annotations = read(Path(sys.argv[1]))
texts = render_lists(build_split(annotations, recipe), annotations)
print("".join(text for name, text in texts.items() if name != "SHA256SUMS"))
"""


def test_identical_bytes_with_other_hash_seeds_and_in_another_order(path, train, tmp_path):
    content = json.loads(path.read_text())
    rng = np.random.default_rng(8)
    for part in ("images", "annotations", "categories"):
        content[part] = [content[part][place] for place in rng.permutation(len(content[part]))]
    shuffled = tmp_path / "shuffled.json"
    shuffled.write_text(json.dumps(content))
    texts = render_lists(build_split(train, strict("coco-split2")), train)
    expected = "".join(text for name, text in texts.items() if name != "SHA256SUMS") + "\n"
    for file, hash_seed in ((shuffled, "0"), (path, "4711")):
        command = [sys.executable, "-c", PRINT_LISTS, str(file)]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [*command, repr(IMAGES / made.IMAGES)], env=environment, capture_output=True, text=True
        )
        assert done.stdout == expected, done.stderr


def test_a_file_that_is_too_small_names_every_class_and_a_factor_that_fits(path, train):
    recipe = tasks.get("coco-split1").recipe
    with pytest.raises(GbssError) as caught:
        build_split(train, recipe)
    (fault,) = caught.value.faults
    held = {name: max(round(n * IMAGES / made.IMAGES), 3) for _, name, _, n, _ in made.CLASSES}
    short = [name for name in train.names if held[name] < recipe.targets[name].images]
    assert len(short) > 50
    assert fault.where == str(path)
    for name in short:
        assert f"{name} {held[name]} of {recipe.targets[name].images}" in fault.found
    assert f"any class {IMAGES} of 10170" in fault.found
    factor = float(fault.fix.partition("--factor ")[2].rstrip(")"))
    split = build_split(train, recipe.scaled(factor))
    assert len(split.base) + len(split.few_shot) == split.recipe.labeled


def small(**changes):
    """A recipe with counts for the 90 images of the fixture; ant has no target."""
    targets = {"bee": (4, 6), "cat": (5, 7), "dog": (3, 3), "eel": (6, 6)}
    recipe = Recipe(
        minority=("bee", "dog"),
        labeled=20,
        targets={name: Target(*numbers) for name, numbers in targets.items()},
    )
    return replace(recipe, **changes)


@pytest.mark.parametrize("seed", range(5))
def test_counts_of_a_small_file_with_crowds(annotations, coco, write, seed):
    recipe = small(seed=seed)
    split = build_split(annotations, recipe)
    images, boxes = image_counts(annotations.path, split, recipe.minority)
    assert len(split.base) + len(split.few_shot) == 20
    assert (images["bee"], images["cat"], images["dog"], images["eel"]) == (4, 5, 3, 6)
    assert (boxes["bee"], boxes["dog"]) == (6, 3)


def test_counts_that_exclude_each_other_are_named(annotations):
    # Twenty labeled images of which nearly none holds a majority class but ant.
    with pytest.raises(GbssError) as caught:
        targets = {"bee": Target(4, 6), "dog": Target(3, 3), "cat": Target(17, 17)}
        targets |= {"ant": Target(17, 17), "eel": Target(17, 17)}
        build_split(annotations, small(labeled=17, targets=targets))
    wheres = [fault.where for fault in caught.value.faults]
    assert f"{annotations.path}: class 'cat'" in wheres
    assert f"{annotations.path}: class 'bee'" not in wheres
    assert all(fault.expected == "17, give or take 1" for fault in caught.value.faults)


def test_more_labeled_images_than_can_be_had(annotations):
    with pytest.raises(GbssError, match="others with a majority box") as caught:
        build_split(annotations, small(labeled=85))
    assert caught.value.faults[0].fix.endswith("by a smaller factor")
    with pytest.raises(GbssError) as caught:
        build_split(annotations, small(labeled=2))
    assert caught.value.faults[0].found.startswith(("5 few-shot", "6 few-shot", "7 few-shot"))
    assert caught.value.faults[0].fix.endswith("by a larger factor")


def test_a_scaled_recipe_comes_as_near_as_it_can(annotations):
    # Ten times as many bees as there are images with one.
    targets = small().targets | {"bee": Target(1400, 2000)}
    recipe = small(labeled=200, targets=targets).scaled(0.25)
    split = build_split(annotations, recipe)
    assert len(split.base) + len(split.few_shot) == 50
