import json
import shutil
from pathlib import Path

import pytest

from gbss.evaluation import record as run_record
from gbss.experiments import load_experiments
from gbss.grid import Place
from gbss.grid.state import SILENT, Kind, State, state_of
from gbss.scales import load_scale

PLACE = Place("demo", "mini-coco", "gbss", 2)
NOW = 5_000.0
PROGRESS = {
    "state": "training",
    "time": NOW - 20,
    "iteration": 730,
    "total": 1600,
    "pace": 0.5,
    "host": "node7",
    "job": "4711",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


SETTINGS = load_scale("demo").settings(load_experiments().rows["gbss"])
CHANGED = SETTINGS | {"method": SETTINGS["method"] | {"beta": 0.4}}


def look(settings=SETTINGS):
    return state_of(PLACE, Path("results"), Path("build/demo/results"), settings, now=NOW)


def checkpoints(*iterations):
    PLACE.checkpoints.mkdir(parents=True)
    for iteration in iterations:
        (PLACE.checkpoints / f"iter_{iteration:07d}.pth").touch()


def test_a_run_that_never_began_is_missing():
    assert look() == State(Kind.MISSING)
    PLACE.folder.mkdir(parents=True)
    assert look() == State(Kind.MISSING)


def test_a_run_at_work_tells_speed_time_left_and_place():
    checkpoints(600)
    PLACE.progress.write_text(json.dumps(PROGRESS))
    state = look()
    assert (state.kind, state.iteration, state.total) == (Kind.RUNNING, 730, 1600)
    assert state.where == "node7, job 4711"
    assert state.left == 0.5 * 870
    assert (state.ap, state.ap_iteration) == (None, None)
    told = {"ap": 0.25, "ap_iteration": 700}
    PLACE.progress.write_text(json.dumps(PROGRESS | told))
    assert (look().ap, look().ap_iteration) == (0.25, 700)


@pytest.mark.parametrize("change", [{"state": "stopped"}, {"time": NOW - SILENT - 1}])
def test_a_run_that_stopped_keeps_what_it_saved(change):
    checkpoints(400, 600)
    PLACE.progress.write_text(json.dumps(PROGRESS | change))
    state = look()
    assert (state.kind, state.iteration, state.left) == (Kind.STOPPED, 600, None)


def test_progress_that_is_being_written_is_no_error():
    checkpoints(400)
    PLACE.progress.write_text('{"state": "trai')
    assert look() == State(Kind.STOPPED, 400)


def test_a_failure_tells_its_reason():
    checkpoints(400)
    PLACE.failure.write_text(json.dumps({"error": "loss is not finite", "iteration": 480}))
    # What was not saved is lost.
    assert look() == State(Kind.FAILED, 400, reason="loss is not finite")
    PLACE.failure.write_text("{")
    assert "failed.json cannot be read" in look().reason


def test_final_weights_are_a_trained_run_and_a_failure_beside_them_is_of_a_later_step():
    checkpoints(1600)
    PLACE.model.touch()
    PLACE.manifest.write_text(json.dumps({"training": {"iterations": 1600, "seconds": 240.5}}))
    state = look()
    assert (state.kind, state.iteration, state.seconds) == (Kind.TRAINED, 1600, 240.5)
    PLACE.failure.write_text(json.dumps({"error": "no val.json", "iteration": 1600}))
    assert look() == State(Kind.FAILED, 1600, reason="no val.json")


def test_a_record_that_came_along_does_not_hide_what_happens_here(repository):
    kept = PLACE.record(Path("results"))
    kept.parent.mkdir(parents=True)
    shutil.copy(PLACE.record(repository / "results"), kept)
    assert look().kind is Kind.PUBLISHED
    checkpoints(400)
    assert look() == State(Kind.STOPPED, 400)
    PLACE.progress.write_text(json.dumps(PROGRESS))
    assert look().kind is Kind.RUNNING
    PLACE.failure.write_text(json.dumps({"error": "loss is not finite", "iteration": 480}))
    assert look() == State(Kind.FAILED, 400, reason="loss is not finite")
    PLACE.failure.unlink()
    PLACE.model.touch()
    assert look().kind is Kind.TRAINED
    own = PLACE.record(Path("build/demo/results"))
    own.parent.mkdir(parents=True)
    shutil.copy(kept, own)
    assert look().kind is Kind.EVALUATED
    # Where the workflow writes to the same folder, there is one record.
    here = (PLACE, Path("results"), Path("results"), SETTINGS)
    assert state_of(*here, now=NOW).kind is Kind.PUBLISHED
    # It may be made again, as for a figure; how that goes counts more than the old record.
    PLACE.model.unlink()
    assert state_of(*here, now=NOW).kind is look().kind is Kind.RUNNING
    PLACE.failure.write_text(json.dumps({"error": "no image", "iteration": 9}))
    assert state_of(*here, now=NOW).kind is look().kind is Kind.FAILED


def test_records_tell_their_ap(repository):
    published = PLACE.record(repository / "results")
    record = run_record.read(published)
    for root, kind in (("results", Kind.PUBLISHED), ("build/demo/results", Kind.EVALUATED)):
        here = PLACE.record(Path(root))
        here.parent.mkdir(parents=True)
        shutil.copy(published, here)
        state = look()
        assert state.kind is kind
        assert state.ap == record["groups"]["all"]["ap"] > 0.1
        assert state.seconds == record["training"]["seconds"]


def test_a_broken_record_is_a_failure_with_a_reason():
    path = PLACE.record(Path("results"))
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    state = look()
    assert state.kind is Kind.FAILED
    assert "seed-2.json" in state.reason


def test_a_changed_row_is_as_far_as_its_new_run(repository):
    record = PLACE.record(Path("results"))
    record.parent.mkdir(parents=True)
    shutil.copy(PLACE.record(repository / "results"), record)
    assert look(CHANGED) == State(Kind.OUTDATED)
    # Weights and progress of the old run stay until the new one begins.
    checkpoints(600, 1600)
    PLACE.manifest.write_text(json.dumps({"identity": "old", "settings": SETTINGS}))
    PLACE.model.touch()
    assert look(CHANGED) == State(Kind.OUTDATED)
    assert look().kind is Kind.TRAINED
    told = {"state": "finished", "ap": 0.25, "ap_iteration": 1400}
    PLACE.progress.write_text(json.dumps(PROGRESS | told))
    assert (look().ap, look().ap_iteration) == (0.25, 1400)
    PLACE.model.unlink()
    PLACE.progress.write_text(json.dumps(PROGRESS | {"state": "finished"}))
    PLACE.failure.write_text(json.dumps({"error": "disk", "iteration": 9, "identity": "old"}))
    assert look(CHANGED) == State(Kind.OUTDATED)
    PLACE.failure.write_text(json.dumps({"error": "no image", "identity": None}))
    assert look(CHANGED) == State(Kind.FAILED, 1600, reason="no image")
    PLACE.failure.unlink()

    PLACE.manifest.write_text(json.dumps({"identity": "new", "settings": CHANGED}))
    PLACE.progress.write_text(json.dumps(PROGRESS))
    assert (look(CHANGED).kind, look(CHANGED).iteration) == (Kind.RUNNING, 730)
    PLACE.failure.write_text(json.dumps({"error": "NaN", "iteration": 731, "identity": "new"}))
    assert look(CHANGED) == State(Kind.FAILED, 1600, reason="NaN")
    PLACE.failure.unlink()
    PLACE.model.touch()
    assert look(CHANGED).kind is Kind.TRAINED
