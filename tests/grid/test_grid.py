import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gbss.errors import GbssError
from gbss.experiments import load_experiments
from gbss.grid import Grid
from gbss.grid.state import Kind, state_in
from gbss.grid.targets import ask
from gbss.reporting.published import published_table
from gbss.scales import load_scale


@pytest.fixture
def grid():
    scale = replace(load_scale("demo"), seeds=(4, 2), tasks={"coco-split1": "mini-coco"})
    return Grid(scale, load_experiments())


@pytest.fixture
def chosen(grid, tmp_path):
    return lambda *targets: ask(grid, targets, tmp_path, {})


def test_rows_and_tables_need_a_place_for_their_task(grid):
    tasks = {row.task for row in grid.rows()}
    assert tasks == {"coco-split1"}
    assert "beta" in grid.tables()
    nowhere = Grid(replace(grid.scale, tasks={}), grid.experiments)
    assert nowhere.rows() == nowhere.tables() == []


def test_a_run_for_each_row_and_seed(grid):
    rows = [grid.experiments.rows[name] for name in ("gbss", "soft-teacher")]
    assert [str(place) for place in grid.places(rows)] == [
        "gbss, seed 4, on mini-coco",
        "gbss, seed 2, on mini-coco",
        "soft-teacher, seed 4, on mini-coco",
        "soft-teacher, seed 2, on mini-coco",
    ]


def test_targets_choose_rows_once_in_the_order_of_the_experiments(grid, chosen):
    found = chosen("table_solver", "row_gbss_gamma_1", "table_beta", "row_gbss")
    assert found.tables == ("solver", "beta")
    assert [row.id for row in found.rows(grid)] == [
        name
        for name in grid.experiments.rows
        if name in {"gbss", "gbss-direct", "gbss-gamma-1", "gbss-beta-03", "gbss-beta-1"}
    ]
    found = chosen("all_tables")
    assert (found.rows(grid), [*found.tables]) == (grid.rows(), grid.tables())
    started = [row.id for row in chosen("row_classifier_retraining").rows(grid)]
    assert started == ["soft-teacher", "classifier-retraining"]


def test_an_unknown_target_is_named_with_the_nearest(chosen):
    with pytest.raises(GbssError, match="did you mean 'table_gamma'"):
        chosen("table_gama")
    with pytest.raises(GbssError, match="its task has no place at this scale"):
        chosen("table_main_lvis")


def test_a_second_stage_is_outdated_with_its_first(grid, repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = (grid.experiments.rows[n] for n in ("soft-teacher", "classifier-retraining"))
    grid = Grid(replace(grid.scale, seeds=(2,)), grid.experiments)
    (place,) = grid.places([second])
    for row in (first, second):
        for each in grid.places([row]):
            each.record(Path("results")).parent.mkdir(parents=True)
            shutil.copy(each.record(repository / "results"), each.record(Path("results")))
    assert grid.is_kept(place, Path("results"))
    assert not grid.is_outdated(place, Path("results"))
    changed = replace(first, labeled_sampling="rfs")
    rows = {**grid.experiments.rows, first.id: changed}
    grid = Grid(grid.scale, replace(grid.experiments, rows=rows))
    assert not grid.is_kept(place, Path("results"))
    assert grid.is_outdated(place, Path("results"))
    results = Path("results")
    assert state_in(grid, place, results, results).kind is Kind.OUTDATED
    with pytest.raises(GbssError, match=r"soft-teacher/seed-2\.json"):
        published_table(grid, "long_tailed", results)
