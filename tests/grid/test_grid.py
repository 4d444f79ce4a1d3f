from dataclasses import replace

import pytest

from gbss.errors import GbssError
from gbss.experiments import load_experiments
from gbss.grid import Grid
from gbss.grid.targets import ask
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
