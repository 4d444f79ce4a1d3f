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
    rows = load_experiments().rows
    plain = {"task": "coco-split1", "detector": "soft_teacher"}
    assert rows["soft-teacher"].method == plain
    assert rows["soft-teacher-rfs"].method == plain | {"labeled_sampling": "rfs"}
    assert rows["gbss-beta-03"].method == plain | {
        "reweighting": "jacobi",
        "thresholds": "gbt",
        "labeled_sampling": "rfs",
        "unlabeled_sampling": "crs",
        "beta": 0.3,
        "gamma": 0.5,
    }


@pytest.mark.parametrize(
    ("table", "prefix", "rfs", "gbss"),
    [
        ("main_coco_split2", "split2", {}, {"gamma": 0.5}),
        ("main_objects365", "objects365", {"rfs_threshold": 0.02}, {"gamma": 0.05}),
        ("main_lvis", "lvis", {"rfs_threshold": 0.01}, {"gamma": 0.05}),
    ],
)
def test_main_results_on_the_other_tasks(table, prefix, rfs, gbss):
    experiments = load_experiments()
    spec, rows = experiments.tables[table], experiments.rows_of(table)
    names = ("soft-teacher", "soft-teacher-rfs", "eqlv2", "c2am", "daso", "defrcn", "gbss")
    assert [row.id for row in rows] == [f"{prefix}-{name}" for name in names]
    plain, sampled, *others, ours = (row.method for row in rows)
    assert plain == {"task": spec.task, "detector": "soft_teacher"}
    assert sampled == plain | {"labeled_sampling": "rfs"} | rfs
    default = experiments.rows["gbss"].method | {"task": spec.task}
    assert ours == default | rfs | gbss
    assert spec.compare == (rows[-1].id, rows[1].id)
    for name, method in zip(names[2:-1], others, strict=True):
        assert method == experiments.rows[name].method | {"task": spec.task}


def test_no_two_rows_are_trained_alike():
    methods = [row.method for row in load_experiments().rows.values()]
    assert all(methods.count(method) == 1 for method in methods)


def test_the_papers_ablations_differ_from_the_default_in_one_choice():
    experiments = load_experiments()
    default = experiments.rows["gbss"].method
    for table, key in (("beta", "beta"), ("gamma", "gamma"), ("solver", "reweighting")):
        for row in experiments.rows_of(table):
            assert row.method | {key: default[key]} == default
    sampling = {
        (row.labeled_sampling, row.unlabeled_sampling): row.paper["sampling"].values["minority"]
        for row in experiments.rows_of("sampling")
    }
    assert sampling == {
        ("random", "random"): 9.4,
        ("rfs", "random"): 10.5,
        ("rfs", "rfs"): 11.7,
        ("rfs", "crs"): 13.9,
    }


def test_the_papers_numbers_are_consistent_with_its_split():
    for row in load_experiments().rows.values():
        for table, numbers in row.paper.items():
            if (row.id, table) == ("unbiased-teacher", "unbiased_teacher"):
                continue  # a note under the table tells of it
            found = numbers.values
            if "majority" in found:
                mean = 0.75 * found["majority"] + 0.25 * found["minority"]
                assert found["all"] == pytest.approx(mean, abs=0.11)


@pytest.mark.parametrize(("key", "value"), [("beta", -0.1), ("gamma", -1), ("reweighting", "gbr")])
def test_choices_out_of_range(broken, key, value):
    def change(content):
        content["rows"]["gbss"][key] = value

    assert f"rows.gbss.{key}" in broken(change)


def test_choices_without_effect_are_refused_together(broken):
    def change(content):
        content["rows"]["soft-teacher-rfs"] |= {"beta": 0.3, "gamma": 0.1, "variant": "release"}
        content["rows"]["lvis-soft-teacher"]["rfs_threshold"] = 0.3

    report = broken(change)
    assert "rows.lvis-soft-teacher.rfs_threshold" in report
    assert "expected: a row with labeled: rfs" in report
    for name in ("beta: 0.3", "gamma: 0.1", "variant: 'release'"):
        key, value = name.split(": ")
        assert f"rows.soft-teacher-rfs.{key}" in report
        assert f"{value} in a row that it cannot change" in report


def test_unknown_keys_and_values_name_the_nearest(broken):
    def change(content):
        row = content["rows"]["soft-teacher"]
        row["lable"] = row["label"]
        row["detector"] = "soft_techer"

    report = broken(change)
    assert "unknown key 'lable'" in report
    assert "did you mean 'label'?" in report
    assert "did you mean 'soft_teacher'?" in report


def test_only_rows_of_a_table_are_compared_under_it(broken):
    def change(content):
        content["tables"]["beta"]["compare"] = {"row": "gbss-beta-10", "against": "soft-teacher"}

    report = broken(change)
    assert "tables.beta.compare" in report
    assert "did you mean 'gbss-beta-1'?" in report
    assert "found:    'soft-teacher'" in report
    main = load_experiments().tables["main_coco"]
    assert main.compare == ("gbss", "soft-teacher-rfs")


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


def test_faults_of_the_schema_do_not_hide_the_others(broken):
    def change(content):
        rows = content["rows"]
        rows["soft-teacher"]["detector"] = "soft_techer"
        rows["eqlv2"]["tables"] = {"main_cocoo": None}
        rows["classifier-retraining"]["retrains"] = "soft-teacher"  # cannot be read, but is there
        rows["split2-gbss"]["task"] = "coco-split3"
        content["tables"]["beta"]["columns"] = "all"

    report = broken(change)
    assert "rows.soft-teacher.detector\n    found:    'soft_techer'" in report
    assert "did you mean 'main_coco'?" in report
    assert "rows.split2-gbss.task\n    found:    'coco-split3'" in report
    assert "tables.beta.columns" in report
    # Of what cannot be read nothing else is said.
    assert "retrains" not in report
    assert "rows.gbss-beta-03" not in report
    assert report.count("to do:") == 5  # and one for the table of the row of another task


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


def test_a_second_stage_starts_from_a_row_of_its_task_with_one_stage(broken):
    def retraining(**bases):
        def change(content):
            rows = content["rows"]
            for name, base in bases.items():
                rows[name.replace("_", "-")] = rows["soft-teacher"] | {"retrains": base}
            rows["elsewhere"] = rows["soft-teacher"] | {"task": "coco-split2", "tables": {}}

        return change

    assert "did you mean 'soft-teacher'?" in broken(retraining(stage="soft-techer"))
    report = broken(retraining(first="soft-teacher", second="first", other="elsewhere"))
    assert "rows.second.retrains" in report
    assert "'first', which itself starts from another row" in report
    assert "'elsewhere', a row of the task 'coco-split2'" in report
    assert "rows.first.retrains" not in report
    report = broken(retraining(stage="retinanet"))
    assert "'retinanet' with the detector 'mean_teacher_retinanet'" in report
    report = broken(retraining(stage="oracle"))
    assert "found:    'oracle' with labels: all" in report
    assert "expected: labels: split" in report


def test_detectors_and_variants_have_losses_of_their_own(tmp_path):
    content = yaml.safe_load((WORKFLOW / "experiments.yaml").read_text())
    plain = content["rows"]["soft-teacher"]
    content["rows"] |= {
        "unbiased": plain | {"detector": "unbiased_teacher"},
        "unbiased-ce": plain | {"detector": "unbiased_teacher", "loss": "cross_entropy"},
        "released": content["rows"]["gbss"] | {"variant": "release"},
        "one-stage": plain | {"detector": "mean_teacher_retinanet"},
    }
    path = tmp_path / "experiments.yaml"
    path.write_text(yaml.safe_dump(content))
    rows = load_experiments(path).rows
    names = ("unbiased", "unbiased-ce", "released", "one-stage", "gbss")
    losses = {name: rows[name].loss for name in names}
    assert losses == {
        "unbiased": "focal",
        "unbiased-ce": "cross_entropy",
        "released": "focal",
        "one-stage": "focal",
        "gbss": "cross_entropy",
    }
    assert rows["unbiased"].method["loss"] == "focal"
