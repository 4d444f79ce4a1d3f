"""What holds for every figure: its files, its csv, its messages."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from gbss.cli import main
from gbss.errors import GbssError
from gbss.experiments import load_experiments
from gbss.grid import Grid
from gbss.grid.targets import ask
from gbss.reporting.compared import PREFIXES, compared_rows
from gbss.reporting.figure import (
    drawable,
    figure_named,
    figures,
    make,
    path_of,
    study_of,
)
from gbss.reporting.figure_files import figure_files
from gbss.reporting.numbers import shown_classes, shown_in_words
from gbss.reporting.plotting import seeds_in_words
from gbss.scales import load_scale


def test_where_figures_differ_from_the_papers_is_said():
    said = {figure.paper: figure.context for figure in figures().values()}
    assert [number for number, text in said.items() if "baseline has RFS" in text] == [
        *(1, 2, 3, 4),
        *(8, 9, 10),
    ]
    assert "laptop" in said[5]
    assert said[6] == "Figure 6 of the paper."
    assert said[7] == "Figure 7 of the paper."
    assert said[None] == "Not a figure of the paper."
    assert said[9].endswith("names C2AM, which none of them shows.")


def test_every_figure_of_the_paper_is_there():
    by_number = [figure.paper for figure in figures().values() if figure.paper]
    assert by_number == list(range(1, 11))
    assert figure_named("3")[0] == "gradient-norms"
    with pytest.raises(GbssError, match="did you mean 'gradient-norms'"):
        figure_named("gradient-norm")


@pytest.mark.parametrize("name", figures())
def test_files_are_the_same_twice_and_without_the_runs(world, name):
    figure = replace(figures()[name], task="coco-split1")
    study = world.study(figure)
    assert make(figure, study, world.folder / "out" / name).startswith("from ")
    made = {path.name: path.read_bytes() for path in (world.folder / "out").iterdir()}
    assert made.keys() == {f"{name}.csv", f"{name}.pdf", f"{name}.png"}
    assert b"/FontFile2" in made[f"{name}.pdf"]  # embedded, as journals want it
    assert b"/Type3" not in made[f"{name}.pdf"]
    (world.folder / "build/smoke/runs").rename(world.folder / "build/smoke/elsewhere")
    (world.folder / "results").rename(world.folder / "published")
    again = "again from " if figure.needs else "from "
    assert make(figure, study, world.folder / "out" / name).startswith(again)
    assert made == {path.name: path.read_bytes() for path in (world.folder / "out").iterdir()}


@pytest.mark.parametrize("name", [name for name, figure in figures().items() if figure.needs])
def test_missing_runs_are_named_with_the_remedy(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    figure = replace(figures()[name], task="coco-split1")
    study = study_of(figure, Grid(load_scale("smoke"), load_experiments()), tmp_path / "results")
    with pytest.raises(GbssError) as caught:
        make(figure, study, tmp_path / name)
    needed = [row for row in study.rows if row.id not in ("eqlv2", "daso", "defrcn")]
    assert len(caught.value.faults) == len(figure.needs) * len(needed)
    for row in needed:
        assert f"gbss train --scale smoke --row {row.id} --seed 1" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_one_seed_is_enough(world):
    name, figure = figure_named("gradient-norms")
    folder = world.folder / "build/smoke/runs/mini-coco/gbss"
    (folder / "seed-1").rename(folder / "gone")
    make(figure, world.study(figure), world.folder / name)
    table = pd.read_csv(world.folder / f"{name}.csv")
    assert set(table[table["row"] == "gbss"]["seed"]) == {2}


def test_rows_that_are_compared():
    experiments = load_experiments()
    for task in PREFIXES:
        rows = compared_rows(experiments, task, ("soft-teacher-rfs", "gbss"))
        assert [row.task for row in rows] == [task] * 2
        assert [row.method.get("thresholds") for row in rows] == [None, "gbt"]
    with pytest.raises(GbssError, match="did you mean 'gbss-gbr'"):
        compared_rows(experiments, "coco-split1", ("gbss-gbx",))


def test_a_choice_stands_in_the_name_of_the_file(world):
    name, figure = figure_named("5")
    study = world.study(figure, class_name="horizontal cross")
    assert path_of(name, study).name == "gradients-of-a-class-horizontal-cross"
    assert path_of(name, study, ("a", "b")).name == "gradients-of-a-class-horizontal-cross-a-b"
    with pytest.raises(GbssError, match="a figure that shows one class"):
        world.study(figures()["gradient-norms"], class_name="solid disc")


def test_every_figure_can_be_drawn_at_a_scale_that_has_all_tasks(tmp_path):
    grid = Grid(load_scale("demo"), load_experiments())
    assert list(drawable(grid, tmp_path)) == list(figures())
    lvis = Grid(load_scale("demo", "mini-lvis"), load_experiments())
    found = drawable(lvis, tmp_path)
    assert {study.task.name for _, study in found.values()} == {"mini-lvis"}
    assert "gradients-of-a-class" not in found  # no row with GbR alone


def test_the_command(world, capsys):
    arguments = ["figure", "3", "--scale", "smoke", "--results", str(world.results)]
    assert main(arguments) == 0
    assert "gradient-norms.pdf, .png and .csv" in capsys.readouterr().out
    assert (world.results / "figures/smoke/gradient-norms.png").exists()
    assert main([*arguments, "--rows", "gbss-gbr,gbss"]) == 0
    assert (world.results / "figures/smoke/gradient-norms-gbss-gbr-gbss.csv").exists()
    assert main(["figure", "3"]) == 1
    assert "--scale demo" in capsys.readouterr().err
    assert main(["figure", "class-distribution"]) == 1
    assert "--task mini-coco" in capsys.readouterr().err


def test_methods_of_the_paper_without_a_run_are_left_out_and_named(world):
    name, figure = figure_named("8")
    said = make(figure, world.study(figure), world.folder / name)
    assert said == "from soft-teacher-rfs, gbss; without daso, defrcn, of which there is no run"
    # Asked for by name, they must be there.
    asked = world.study(figure, rows=("daso", "gbss"))
    with pytest.raises(GbssError, match="gbss detect --scale smoke --row daso --seed 1"):
        make(figure, asked, world.folder / "asked")


def test_the_number_of_seeds_stands_above_the_figure(world):
    study = world.study(figures()["gradient-norms"])
    table = world.numbers(figures()["gradient-norms"])
    assert seeds_in_words(table, study) == "2 seeds"
    fewer = table[(table["row"] != "gbss") | (table["seed"] == 2)]
    assert seeds_in_words(fewer, study) == "seeds: Soft Teacher + RFS 2, GbSS 1"


def test_a_target_names_the_runs_of_figures(tmp_path):
    grid = Grid(load_scale("demo"), load_experiments())
    known = figure_files(grid, tmp_path)

    def rows(*targets):
        return {row.id for row in ask(grid, targets, tmp_path, known).rows(grid)}

    assert rows("figure_gradients_of_a_class") == {"soft-teacher-rfs", "gbss-gbr"}
    assert {"daso", "lvis-gbss", "objects365-soft-teacher-rfs"} <= rows("all_figures")
    # One run of each row is enough for panels.
    asked = ask(grid, ["figure_qualitative_objects365"], tmp_path, known)
    assert [place.seed for place in asked.places] == [1] * 4
    with pytest.raises(GbssError, match="did you mean 'figure_gradient_norms'"):
        rows("figure_gradient_norm")


def test_a_run_of_other_settings_is_refused(world):
    path = world.folder / "build/smoke/runs/mini-coco/gbss/seed-2/run.json"
    manifest = json.loads(path.read_text())
    manifest["settings"]["scale"]["schedule"]["iterations"] = 13
    path.write_text(json.dumps(manifest))
    with pytest.raises(GbssError, match=r"seed-2/run\.json: settings\.scale\.schedule\.iterations"):
        world.numbers(figures()["gradient-norms"])


def test_of_many_classes_those_with_the_most_objects_are_shown(world):
    names = world.task.classes
    table = pd.DataFrame({"class": names, "objects": range(len(names))})
    study = world.study(figures()["prediction-scores"])
    assert shown_classes(table, study) == [n for its in world.task.groups.values() for n in its]
    shown = ["solid cross", "vertical cross", "horizontal triangle", "horizontal cross"]
    assert shown_classes(table, study, most=5) == shown
    said = "shown: 2 of 8 majority, 2 of 4 minority classes, why"
    assert shown_in_words(shown, study, "why") == said
    assert shown_in_words(names, study, "why") == ""
