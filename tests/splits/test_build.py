from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.recipe import Recipe

MAJORITY = {2, 7, 13}


def boxes_of(coco, image_ids, category_ids):
    """Category ids of the boxes that are no crowds in the given images: a slow plain reference."""
    return Counter(
        box["category_id"]
        for box in coco["annotations"]
        if box["image_id"] in image_ids and box["category_id"] in category_ids
        if not box["iscrowd"]
    )


def test_the_three_parts_divide_the_images(annotations, recipe):
    split = build_split(annotations, recipe)
    parts = [split.base, split.few_shot, split.unlabeled]
    assert sorted(np.concatenate(parts).tolist()) == annotations.image_ids.tolist()
    assert all((np.diff(part) > 0).all() for part in parts)


def test_base_is_a_share_of_the_images_with_a_majority_box(annotations, recipe, coco):
    split = build_split(annotations, recipe)
    candidates = {
        image["id"] for image in coco["images"] if boxes_of(coco, {image["id"]}, MAJORITY)
    }
    assert len(candidates) < 80
    assert len(split.base) == round(0.2 * len(candidates))
    assert set(split.base.tolist()) <= candidates


@pytest.mark.parametrize("seed", range(8))
def test_every_minority_class_gets_its_shots_and_hardly_more(annotations, recipe, coco, seed):
    split = build_split(annotations, replace(recipe, seed=seed))
    found = boxes_of(coco, set(split.few_shot.tolist()), {3, 8})
    assert 4 <= found[3] <= 6
    assert 4 <= found[8] <= 6


def test_a_cap_saves_boxes(annotations, recipe, coco):
    totals = {
        cap: sum(
            boxes_of(coco, set(build_split(annotations, each).few_shot.tolist()), {3, 8}).total()
            for each in (replace(recipe, cap=cap, seed=seed) for seed in range(20))
        )
        for cap in (4, None)
    }
    # Two classes with four shots each, at every seed; without a cap images overshoot.
    assert totals[4] == 20 * 2 * 4
    assert totals[None] > totals[4]


def test_the_same_seed_draws_the_same_split(annotations, recipe):
    first, second = build_split(annotations, recipe), build_split(annotations, recipe)
    other = build_split(annotations, replace(recipe, seed=2))
    assert first.base.tolist() == second.base.tolist()
    assert first.few_shot.tolist() == second.few_shot.tolist()
    assert first.base.tolist() != other.base.tolist()
    assert first.few_shot.tolist() != other.few_shot.tolist()


def test_crowds_never_count(coco, write, recipe):
    for box in coco["annotations"]:
        if box["category_id"] == 8:
            box["iscrowd"] = 1
    with pytest.raises(GbssError) as caught:
        build_split(read(write(coco)), recipe)
    (fault,) = caught.value.faults
    assert fault.where.endswith("minority class 'dog'")
    assert (fault.found, fault.expected) == ("0 boxes", "at least 4 boxes that are no crowds")


def test_all_impossible_classes_at_once(annotations, recipe):
    impossible = replace(recipe, minority=("bee", "doge", "dog"), shots=40, cap=None)
    with pytest.raises(GbssError) as caught:
        build_split(annotations, impossible)
    doge, dog = caught.value.faults
    assert doge.expected.startswith("did you mean 'dog'?")
    assert dog.expected == "at least 40 boxes that are no crowds"


def test_a_number_of_images_without_minority_is_met_exactly(annotations):
    recipe = Recipe(minority=(), labeled=23)
    split = build_split(annotations, recipe)
    assert (len(split.base), len(split.few_shot)) == (23, 0)
    assert len(split.unlabeled) == len(annotations.image_ids) - 23
    with_boxes = set(annotations.image_ids[annotations.box_images[annotations.counted]].tolist())
    assert set(split.base.tolist()) <= with_boxes
    few = build_split(annotations, recipe.scaled(0.5))
    assert len(few.base) == 12
    with pytest.raises(GbssError, match=rf"{len(with_boxes)} images to draw from(.|\n)*least 5000"):
        build_split(annotations, replace(recipe, labeled=5000))
