"""What every figure must stand: few seeds, equal ones, an empty group, many classes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Picture

from gbss.errors import GbssError
from gbss.reporting.bars import bars_of_classes
from gbss.reporting.figure import figures, make
from gbss.reporting.figures.saving import read_numbers

MANY = ("prediction-scores", "class-logits", "ap-against-labeled-boxes")
"""Figures of all classes."""


def seeds_alike(table):
    first = table[table["seed"] == 1]
    return pd.concat([first.assign(seed=seed) for seed in (1, 2, 3)])


def without_a_group(table):
    return table[table["group"] != "minority"] if "group" in table else table


def with_optional(table):
    return pd.concat([table[table["row"] == table["row"].iloc[-1]].assign(row="eqlv2"), table])


@pytest.mark.parametrize("name", [name for name, figure in figures().items() if figure.needs])
def test_every_figure_can_show_unusual_numbers(world, name):
    figure = replace(figures()[name], task="coco-split1")
    study, table = world.study(figure), world.numbers(figure)
    unusual = [change(table) for change in (seeds_alike, without_a_group, with_optional)]
    for its in (table[table["seed"] == 1], *unusual):
        figure.draw(its, study).draw_without_rendering()


@pytest.mark.parametrize("name", MANY)
def test_figures_of_classes_can_show_many(world, name):
    figure = replace(figures()[name], task="coco-split1")
    study, table = world.study(figure), world.numbers(figure)
    groups = {
        group: tuple(f"{each} {n}" for each in names for n in range(10))
        for group, names in study.task.groups.items()
    }
    classes = tuple(name for names in groups.values() for name in names)
    recipe = replace(study.task.recipe, minority=groups["minority"])
    task = replace(study.task, groups=groups, classes=classes, recipe=recipe)
    copies = [table.assign(**{"class": table["class"] + f" {n}"}) for n in range(10)]
    picture = figure.draw(pd.concat(copies), replace(study, task=task))
    picture.draw_without_rendering()
    if name != "ap-against-labeled-boxes":
        note = " ".join(picture.get_suptitle().split())
        assert "50 of 80 majority, 40 of 40 minority classes, those with the most objects" in note
        below = picture.axes[1]
        sizes = {label.get_fontsize() for label in below.get_xticklabels(which="both")}
        assert sizes == {6}
        # By turns in two lines.
        assert len(below.get_xticks()) == len(below.get_xticks(minor=True)) == 45


def test_whiskers_of_equal_seeds(world):
    study = world.study(figures()["prediction-scores"])
    name = study.task.classes[0]
    table = pd.DataFrame(
        [{"row": "gbss", "seed": seed, "class": name, "value": 0.1} for seed in (1, 2, 3)]
    )
    assert np.mean(table["value"]) > 0.1  # by a rounding
    bars_of_classes(Picture().subplots(), table, "value", study, [name], named=True)


def test_names_that_look_like_numbers_stay_names(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("row,seed,class,group\na,1,0,True\na,1,007,NA\n")
    table = read_numbers(path)
    assert table["class"].tolist() == ["0", "007"]
    assert table["group"].tolist() == ["True", "NA"]
    assert table["seed"].tolist() == [1, 1]
    path.write_text("\n")
    with pytest.raises(GbssError, match="remove it, and make the figure"):
        read_numbers(path)


def test_what_was_published_is_not_replaced_by_less(world):
    figure = figures()["gradient-norms"]
    study, path = world.study(figure), world.folder / "out"
    make(figure, study, path)
    published = path.with_name("out.csv").read_bytes()
    folder = world.folder / "build/smoke/runs/mini-coco/gbss"
    (folder / "seed-1").rename(folder / "gone")
    said = make(figure, study, path)
    assert "it shows gbss with seed 1, which is not here; move it away" in said
    assert path.with_name("out.csv").read_bytes() == published
    path.with_name("out.csv").unlink()
    assert make(figure, study, path) == "from soft-teacher-rfs, gbss"


def test_optional_rows_keep_their_labels_when_drawn_again(world):
    figure = replace(figures()["gradient-norms"], compared=("soft-teacher-rfs", "daso", "gbss"))
    world._write_run("daso", 1)
    study, path = world.study(figure), world.folder / "out"
    make(figure, study, path)
    made = path.with_name("out.pdf").read_bytes()
    (world.folder / "build/smoke/runs").rename(world.folder / "build/smoke/elsewhere")
    assert make(figure, study, path).startswith("again from ")
    assert path.with_name("out.pdf").read_bytes() == made
