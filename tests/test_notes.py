import json

from gbss.notes import (
    Progress,
    clear_failure,
    here,
    mark,
    read_failure,
    read_progress,
    write_failure,
    write_progress,
)


def progress(iteration):
    return Progress(
        state="training",
        iteration=iteration,
        total=90,
        pace=0.25,
        losses={"loss": 1.5, "loss_cls": None},
        processes=2,
        pid=4321,
        **here(),
    )


def test_what_is_written_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    written = progress(40)
    assert written.job == "17"
    write_progress(tmp_path, written)
    assert read_progress(tmp_path) == written
    assert (written.ap, written.ap_iteration) == (None, None)
    mark(tmp_path, "training", 41, ap=0.25, ap_iteration=41)
    mark(tmp_path, "stopped", 43)
    found = read_progress(tmp_path)
    assert (found.ap, found.ap_iteration) == (0.25, 41)
    assert (found.state, found.iteration, found.losses) == ("stopped", 43, written.losses)


def test_a_failure_is_read_and_forgotten(tmp_path):
    write_failure(tmp_path, "the loss is no number", 12, "abc")
    failure = read_failure(tmp_path)
    assert (failure.error, failure.iteration, failure.identity) == (
        "the loss is no number",
        12,
        "abc",
    )
    clear_failure(tmp_path)
    clear_failure(tmp_path)
    assert read_failure(tmp_path) is None


def test_what_cannot_be_read_or_written_ends_nothing(tmp_path, capsys):
    for content in ("", "[]", "{}", json.dumps({"error": "half"})):
        (tmp_path / "progress.json").write_text(content)
        (tmp_path / "failed.json").write_text(content)
        assert read_progress(tmp_path) is None
        assert read_failure(tmp_path) is None
        mark(tmp_path, "finished", 90)
    (tmp_path / "file").touch()
    write_progress(tmp_path / "file", progress(1))
    assert "could not be written" in capsys.readouterr().out
