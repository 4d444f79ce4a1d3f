"""Kinds of errors, look-alikes and the qualitative panels: from the detections."""

import json

import numpy as np
import pytest
from matplotlib.colors import to_hex

from gbss.errors import GbssError
from gbss.evaluation.confusion import confusion
from gbss.evaluation.error_types import error_types
from gbss.evaluation.found import read_found
from gbss.evaluation.matching import match
from gbss.reporting import qualitative
from gbss.reporting.figure import make
from gbss.reporting.figures import error_kinds, look_alikes, qualitative_coco
from gbss.splits.annotations import read

MINORITY = [1, 4, 7, 10]


@pytest.fixture
def found(world):
    truth = read(world.folder / "build/splits/mini-coco/val.json")

    def found(row, seed):
        path = world.folder / f"build/smoke/runs/mini-coco/{row}/seed-{seed}/detections.npz"
        return read_found(path, truth), truth

    return found


def test_errors_are_means_over_the_classes_with_objects(world, found):
    table = world.numbers(error_kinds.FIGURE)
    errors = error_types(*found("gbss", 2))
    its = table.query("row == 'gbss' and seed == 2 and group == 'minority'").set_index("kind")
    for kind in ("classification", "missed"):
        assert its.loc[kind, "errors"] == errors.count[kind][MINORITY].sum()
        assert its.loc[kind, "cost"] == pytest.approx(np.nanmean(errors.cost[kind][MINORITY]))
    (one, other) = world.drawn(error_kinds.FIGURE).axes
    assert one.get_title("left") == "(a) majority classes"
    points = table.query("row == 'gbss' and group == 'minority'").groupby("kind", sort=False)
    heights = [bar.get_height() for bar in other.patches[-6:]]
    np.testing.assert_allclose(heights, 100 * points["cost"].mean(), rtol=1e-6, atol=1e-9)


def test_shares_of_what_objects_are_taken_for(world, found):
    table = world.numbers(look_alikes.FIGURE)
    base = sum(confusion(*found("soft-teacher-rfs", seed)) for seed in (1, 2))
    counts = confusion(*found("gbss", 1))
    for name in dict.fromkeys(table["class"]):
        place = world.task.classes.index(name)
        mine = table.query("row == 'gbss' and seed == 1 and `class` == @name").set_index(
            "taken_for"
        )
        assert mine["objects"].sum() == counts[place].sum() > 0
        assert mine.loc["itself", "objects"] == counts[place, place]
        assert mine.loc["nothing", "objects"] == counts[place, -1]
        assert mine["share"].sum() == pytest.approx(1)
        others = base[place, :-1].copy()
        others[place] = 0
        twin = mine.loc["look-alike", "look_alike"]
        if others.any():
            assert others[world.task.classes.index(twin)] == others.max()
            assert (
                mine.loc["look-alike", "objects"] == counts[place, world.task.classes.index(twin)]
            )
        else:
            assert twin == ""
    (axes,) = world.drawn(look_alikes.FIGURE).axes
    assert len(axes.get_yticklabels()) == 2 * table["class"].nunique()


def test_images_are_chosen_by_gain_then_objects_then_id():
    gain = np.array([0, 2, -1, 2, 1, 0, -3, 2, 1, 5])
    objects = np.array([9, 1, 1, 4, 1, 0, 1, 1, 1, 1])
    assert qualitative.chosen_images(gain, objects) == [9, 3, 1, 7, 6, 2]
    assert qualitative.chosen_images(np.zeros(3, int), np.ones(3, int)) == []


def test_gains_count_right_and_wrong_minority_detections(world, found):
    table = world.numbers(qualitative_coco.FIGURE)
    points = {}
    for row in ("soft-teacher-rfs", "gbss"):
        its, truth = found(row, 1)
        its = its.where(its.scores > 0.5)
        matches = match(its, truth)
        points[row] = dict.fromkeys(truth.image_ids.tolist(), 0)
        for number in range(len(its)):
            if its.classes[number] in MINORITY and matches.counted[number]:
                image = int(truth.image_ids[its.images[number]])
                points[row][image] += 1 if matches.right[number] else -1
    gains = {
        image: points["gbss"][image] - points["soft-teacher-rfs"][image] for image in points["gbss"]
    }
    shown = table.drop_duplicates("image").set_index("image")["gain"]
    assert shown.to_dict().items() <= gains.items()
    best = sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:4]
    worst = sorted(gain for gain in gains.values() if gain < 0)[:2]
    assert shown.tolist() == best + worst
    assert set(table["row"]) == {"ground truth", "soft-teacher-rfs", "gbss"}
    wrong = table.query("what == 'wrong'")
    assert (wrong["score"] > 0.5).all()


def test_the_panels_are_drawn_and_a_missing_image_is_named(world):
    figure = world.drawn(qualitative_coco.FIGURE)
    table = world.numbers(qualitative_coco.FIGURE)
    assert len(figure.axes) == 3 * table["image"].nunique()
    boxes = sum(len(axes.patches) for axes in figure.axes)
    assert boxes == (table["what"] != "none").sum()
    for path in (world.folder / "build/data/mini-coco/val").iterdir():
        path.unlink()
    with pytest.raises(GbssError, match=r"an image that the figure shows"):
        world.drawn(qualitative_coco.FIGURE)


def test_no_gain_and_no_loss_is_said(world):
    for seed in (1, 2):
        folder = world.folder / "build/smoke/runs/mini-coco"
        (folder / f"gbss/seed-{seed}/detections.npz").write_bytes(
            (folder / f"soft-teacher-rfs/seed-{seed}/detections.npz").read_bytes()
        )
    (axes, *_) = world.drawn(qualitative_coco.FIGURE).axes
    assert axes.texts[0].get_text() == "no image with a gain or a loss"


def test_an_optional_row_of_another_seed_is_left_out_and_named(world):
    runs = world.folder / "build/smoke/runs/mini-coco"
    for row, seed in (("daso", 2), ("defrcn", 1)):
        world._write_run(row, seed)
    (runs / "gbss/seed-2/detections.npz").unlink()
    study = world.study(qualitative_coco.FIGURE)
    said = make(qualitative_coco.FIGURE, study, world.folder / "8")
    assert said.startswith("from soft-teacher-rfs, defrcn, gbss; without daso, of which")
    table = world.numbers(qualitative_coco.FIGURE)
    assert set(table["row"]) == {"ground truth", "soft-teacher-rfs", "defrcn", "gbss"}
    with pytest.raises(GbssError, match="no seed that all rows have"):
        world.numbers(qualitative_coco.FIGURE, rows=("daso", "gbss"))


def test_boxes_look_as_the_legend_says():
    for group, width in (("rare", 1.8), ("common", 1.8), ("frequent", 0.9)):
        look = qualitative._look(group)
        assert look["linewidth"] == width  # thick: counts in the gain
    halo = qualitative._look("common")["path_effects"][0]._gc["foreground"]
    assert to_hex(halo) == "#222222"  # yellow on white
    assert "above 0.5" in qualitative.NOTE


def test_without_an_object_of_the_minority(world):
    ids = {world.truth["categories"][place]["id"] for place in MINORITY}
    for path in (world.folder / "build/splits/mini-coco").iterdir():
        truth = json.loads(path.read_text())
        kept = [box for box in truth["annotations"] if box["category_id"] not in ids]
        path.write_text(json.dumps(truth | {"annotations": kept}))
    (axes,) = world.drawn(look_alikes.FIGURE).axes
    assert [text.get_text() for text in axes.texts] == ["no objects of minority classes"]
    one, other = world.drawn(error_kinds.FIGURE).axes
    assert one.get_title("left") == "(a) majority classes"
    assert other.get_title("left") == "(b) minority classes: no objects"


def test_errors_that_cost_nothing(world):
    table = world.numbers(error_kinds.FIGURE).assign(cost=0.0)
    axes, _ = error_kinds.draw(table, world.study(error_kinds.FIGURE)).axes
    assert axes.get_ylim() == (0, 1)
