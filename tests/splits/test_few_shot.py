from dataclasses import replace

import numpy as np
import pytest

from gbss.errors import GbssError
from gbss.splits.build import build_split
from gbss.splits.class_map import select
from gbss.splits.few_shot import few_shot_by_images
from gbss.splits.files import render_lists
from gbss.splits.recipe import Recipe, Target


def images_of(annotations, positions):
    """Images per class among those at some positions, crowds apart."""
    held = {
        (image, class_)
        for image, class_, crowd in zip(
            annotations.box_images, annotations.box_classes, annotations.crowd, strict=True
        )
        if image in set(positions) and not crowd
    }
    return [sum(class_ == kind for _, class_ in held) for kind in range(len(annotations.names))]


@pytest.fixture
def minority(annotations):
    return np.isin(annotations.names, ["bee", "dog"])


@pytest.mark.parametrize("wanted", [[0, 9, 0, 3, 0], [50, 1, 7, 4, 2]])
def test_every_minority_class_lies_in_as_many_images_as_wanted(annotations, minority, wanted):
    chosen = few_shot_by_images(annotations, minority, np.array(wanted), np.random.default_rng(1))
    reached = images_of(annotations, chosen.tolist())
    assert (reached[1], reached[3]) == (wanted[1], wanted[3])
    assert chosen.tolist() == sorted(set(chosen.tolist()))


def test_what_is_there_is_taken_if_more_is_wanted(annotations, minority):
    wanted = np.array([0, 10_000, 0, 1, 0])
    chosen = few_shot_by_images(annotations, minority, wanted, np.random.default_rng(1))
    everywhere = images_of(annotations, range(90))
    assert images_of(annotations, chosen.tolist())[1] == everywhere[1]


def test_another_seed_takes_other_images(annotations, minority):
    wanted = np.array([0, 9, 0, 3, 0])
    draws = [
        few_shot_by_images(annotations, minority, wanted, np.random.default_rng(seed)).tolist()
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def stated(both, further, *, images=(0, 5, 0, 7, 0)):
    """A recipe of so many images beside the labeled ones, and so many more of each class."""
    labeled = images_of(both, np.flatnonzero(both.mapped).tolist())
    counts = zip(both.names, labeled, images, strict=True)
    return Recipe(
        minority=("bee", "dog"),
        labeled=int(both.mapped.sum()) + further,
        targets={name: Target(max(1, base + more)) for name, base, more in counts},
        seed=3,
    )


@pytest.mark.parametrize("further", [11, 13])
def test_a_split_beside_a_labeled_data_set_meets_total_and_minority(both, further):
    recipe = stated(both, further, images=(3, 5, 2, 7, 4))
    split = build_split(both, recipe)
    assert split.base.tolist() == both.image_ids[both.mapped].tolist()
    assert len(split.few_shot) == further
    positions = np.searchsorted(both.image_ids, split.few_shot)
    assert not both.mapped[positions].any()
    reached = images_of(both, positions.tolist())
    assert (reached[1], reached[3]) == (5, 7)
    again = build_split(both, recipe)
    assert again.few_shot.tolist() == split.few_shot.tolist()
    labeled = images_of(both, np.flatnonzero(both.mapped).tolist())
    for name, ours, base in zip(both.names, reached, labeled, strict=True):
        if name not in recipe.minority:
            wanted = recipe.targets[name].images
            assert abs(base + ours - wanted) <= max(1, 0.05 * wanted)


def test_a_total_that_cannot_be_met_is_refused_with_the_factors_that_can(both):
    recipe = stated(both, 0)
    with pytest.raises(GbssError, match=r"labeled images in all(.|\n)*--factor, from [\d.]+ to 1\b"):
        build_split(both, recipe)


def test_a_minority_class_that_is_not_there_stops_a_split_but_not_a_trial(both):
    recipe = stated(both, 15, images=(3, 5, 2, 7, 4))
    without = select(
        both, np.ones(len(both.image_ids), bool), both.names.index("dog") != both.box_classes
    )
    with pytest.raises(GbssError, match=r"dog 0 of 7"):
        build_split(without, recipe)
    trial = replace(recipe, labeled=2 * recipe.labeled).scaled(0.5)
    split = build_split(without, trial)
    assert len(split.base) + len(split.few_shot) == trial.labeled
    rows = render_lists(split, without)["counts.csv"].splitlines()
    (row,) = (row for row in rows if ",dog," in row)
    assert row.endswith(f",{trial.targets['dog'].images},,-{trial.targets['dog'].images},-100.00,")
