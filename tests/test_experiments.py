import pytest
import yaml

from gbss.errors import GbssError
from gbss.experiments import WORKFLOW, load_experiments


@pytest.fixture
def broken(tmp_path):
    """Writes the project's own file after a change; returns what is reported."""

    def report(change):
        content = yaml.safe_load((WORKFLOW / "experiments.yaml").read_text())
        change(content)
        path = tmp_path / "experiments.yaml"
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(GbssError) as caught:
            load_experiments(path)
        return str(caught.value)

    return report


def test_the_projects_own_file():
    experiments = load_experiments()
    row = experiments.rows["soft-teacher"]
    assert row.detector == "soft_teacher"
    assert row in experiments.rows_of("main_coco")
    assert experiments.tables["main_coco"].columns == ("all", "majority", "minority")


def test_labels_and_tables_do_not_decide_how_a_row_is_trained():
    assert load_experiments().rows["soft-teacher"].method == {
        "task": "coco-split1",
        "detector": "soft_teacher",
    }


def test_unknown_keys_and_values_name_the_nearest(broken):
    def change(content):
        row = content["rows"]["soft-teacher"]
        row["lable"] = row["label"]
        row["detector"] = "soft_techer"

    report = broken(change)
    assert "unknown key 'lable'" in report
    assert "did you mean 'label'?" in report
    assert "did you mean 'soft_teacher'?" in report


def test_all_faults_of_the_grid_come_at_once(broken):
    def change(content):
        content["tables"]["unused"] = {"title": "x", "task": "coco-split9", "columns": ["all"]}
        row = content["rows"]["soft-teacher"]
        row["tables"] = {
            "main_koko": None,
            "main_coco": {"source": "nowhere", "values": {"minorty": 3.5}},
        }
        content["rows"]["other"] = row | {"task": "coco-split2"}

    report = broken(change)
    assert "did you mean 'main_coco'?" in report
    assert "did you mean 'minority'?" in report
    assert "did you mean 'coco-split1'?" in report or "did you mean 'coco-split2'?" in report
    assert "no row names this table" in report
    assert "a row of the task 'coco-split2' in a table of 'coco-split1'" in report


def test_a_row_that_stands_there_twice(tmp_path):
    path = tmp_path / "experiments.yaml"
    path.write_text("tables: {}\nrows:\n  a: {}\n  b: {}\n  a: {}\n")
    with pytest.raises(GbssError, match=r"line 5(.|\n)*the key 'a' stands there twice"):
        load_experiments(path)


def test_columns_are_groups_of_the_task_and_stand_there_once(broken):
    def change(content):
        content["tables"]["main_coco"]["columns"] = ["all", "minorty", "all"]

    report = broken(change)
    assert "'all' 2 times" in report
    assert "did you mean 'minority'? known: all, majority, minority" in report


def test_the_papers_numbers_are_checked(broken):
    def paper(numbers):
        return lambda content: content["rows"]["soft-teacher"]["tables"].update(main_coco=numbers)

    assert "did you mean 'values'?" in broken(paper({"source": "Table 1", "valeus": {}}))
    report = broken(paper({"source": "Table 1", "values": {"all": float("nan")}}))
    assert "tables.main_coco.values.all\n    found:    NaN or infinity" in report
    assert "the key '3' is no text" in broken(paper({"source": "x", "values": {3: 4.5, "a": 1.5}}))
