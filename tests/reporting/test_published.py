import shutil
from pathlib import Path

import pytest

from gbss.experiments import load_experiments
from gbss.grid import Grid
from gbss.reporting.published import write_tables
from gbss.scales import load_scale


@pytest.fixture
def grid():
    return Grid(load_scale("demo"), load_experiments())


def test_tables_of_what_there_is(grid, repository, tmp_path):
    kept = Path("runs/demo/mini-coco/gbss-direct/seed-2.json")
    record = tmp_path / kept
    record.parent.mkdir(parents=True)
    shutil.copy(repository / "results" / kept, record)
    assert write_tables(grid, tmp_path) == ["solver"]
    folder = tmp_path / "tables/demo"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"solver.{suffix}" for suffix in ("csv", "md", "tex")
    ]
    text = (folder / "solver.md").read_text()
    assert "only 1 of 3 planned seeds, missing 1, 3" in text
    assert "| GbSS | missing | missing | missing | 0 of 3 |" in text

    # A table that cannot be made keeps the others, and its file.
    record.write_text("{}")
    (folder / "solver.md").write_text("as it was")
    assert write_tables(grid, tmp_path) == []
    assert (folder / "solver.md").read_text() == "as it was"
