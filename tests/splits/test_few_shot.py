import numpy as np
import pytest

from gbss.splits.build import build_split
from gbss.splits.class_map import join, map_classes
from gbss.splits.few_shot import few_shot_by_images
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


def test_a_split_beside_a_labeled_data_set_aims_at_the_stated_images(annotations):
    to = {name: None if name in ("bee", "dog") else name for name in annotations.names}
    ids = annotations.category_ids
    mapped = map_classes(annotations, to, annotations.names, ids).annotations
    both = join(annotations, mapped, ("a", "b"))
    targets = {name: Target(4 + number) for number, name in enumerate(both.names)}
    split = build_split(both, Recipe(minority=("bee", "dog"), share=1.0, shots=1, targets=targets))
    assert split.base.tolist() == both.image_ids[both.mapped].tolist()
    positions = np.searchsorted(both.image_ids, split.few_shot)
    reached = images_of(both, positions.tolist())
    assert (reached[1], reached[3]) == (5, 7)
    assert not both.mapped[positions].any()
