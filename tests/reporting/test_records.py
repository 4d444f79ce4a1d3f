import pytest

from gbss.errors import GbssError
from gbss.evaluation import record
from gbss.reporting.records import load_records

SETTINGS = {"iterations": 700}


def test_loads_by_ascending_seed(make_record, tmp_path) -> None:
    for seed in (11, 2, 5):
        made = make_record(0.1 * seed / 11, 0.5, seed=seed)
        record.write(record.path_of(tmp_path, made["run"]), made)
    loaded = load_records(tmp_path, "demo", "mini", "plain", SETTINGS)
    assert [one["run"]["seed"] for one in loaded] == [2, 5, 11]
    assert load_records(tmp_path, "demo", "mini", "ours", SETTINGS) == []


@pytest.mark.parametrize(
    ("place", "run"),
    [
        ("demo/mini/plain/seed-2.json", "demo/mini/plain, seed 1"),
        ("demo/mini/plain/seed-01.json", "demo/mini/plain, seed 1"),
        ("demo/mini/plain/seed-x.json", "demo/mini/plain, seed 1"),
    ],
)
def test_refuses_a_record_at_the_path_of_another_run(make_record, tmp_path, place, run) -> None:
    record.write(tmp_path / place, make_record(0.1, 0.5, seed=1))
    with pytest.raises(GbssError) as caught:
        load_records(tmp_path, "demo", "mini", "plain", SETTINGS)
    (fault,) = caught.value.faults
    assert fault.where == str(tmp_path / place)
    assert fault.found == f"the record of {run}"


def test_the_faults_of_all_files_come_at_once(make_record, tmp_path) -> None:
    folder = tmp_path / "demo" / "mini" / "plain"
    record.write(folder / "seed-1.json", make_record(0.1, 0.5, seed=1, row="ours"))
    (folder / "seed-2.json").write_text('{"schema": 1')
    (folder / "seed-3.json").write_text("[]")
    with pytest.raises(GbssError) as caught:
        load_records(tmp_path, "demo", "mini", "plain", SETTINGS)
    message = str(caught.value)
    assert all(f"seed-{seed}.json" in message for seed in (1, 2, 3))
    assert len(caught.value.faults) == 3


def test_refuses_records_of_other_settings_than_those_of_today(make_record, tmp_path) -> None:
    for seed, iterations in ((1, 700), (2, 70), (3, 7)):
        made = make_record(0.1, 0.5, seed=seed, iterations=iterations)
        record.write(record.path_of(tmp_path, made["run"]), made)
    with pytest.raises(GbssError) as caught:
        load_records(tmp_path, "demo", "mini", "plain", SETTINGS | {"method": {"beta": 0.5}})
    told = [(fault.where.split("/")[-1], fault.found) for fault in caught.value.faults]
    assert told == [
        ("seed-1.json: settings.method.beta", "None"),
        ("seed-2.json: settings.iterations", "70"),
        ("seed-2.json: settings.method.beta", "None"),
        ("seed-3.json: settings.iterations", "7"),
        ("seed-3.json: settings.method.beta", "None"),
    ]
