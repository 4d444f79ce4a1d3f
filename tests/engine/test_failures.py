import pytest

from gbss.engine.failures import after_training, recorded, refuse_repetition
from gbss.errors import GbssError, Stopped, fail
from gbss.notes import read_failure


def fault():
    return fail("iteration 8", found="NaN", expected="finite losses", fix="slower")


def test_a_fault_is_recorded_and_stops_the_next_attempt(tmp_path):
    with pytest.raises(GbssError), recorded(tmp_path, "same", lambda: 7):
        raise fault()
    with pytest.raises(GbssError, match=r"failed after iteration 7(.|\n)*NaN(.|\n)*--again"):
        refuse_repetition(tmp_path, "same", again=False)
    assert read_failure(tmp_path) is not None
    refuse_repetition(tmp_path, "same", again=True)
    assert read_failure(tmp_path) is None


def test_a_change_clears_it(tmp_path):
    with pytest.raises(GbssError), recorded(tmp_path, "before", lambda: 7):
        raise fault()
    refuse_repetition(tmp_path, "after", again=False)
    assert read_failure(tmp_path) is None


def test_a_fault_before_training_is_looked_for_again(tmp_path):
    with pytest.raises(GbssError), recorded(tmp_path, None, lambda: 0):
        raise fault()
    assert "NaN" in read_failure(tmp_path).error
    refuse_repetition(tmp_path, "any", again=False)


@pytest.mark.parametrize(
    "crash", [RuntimeError("CUDA error"), MemoryError("3 GiB"), OSError("disk full")]
)
def test_what_may_be_gone_next_time_is_told_and_stops_nothing(tmp_path, crash):
    with pytest.raises(type(crash)), recorded(tmp_path, "same", lambda: 7):
        raise crash
    failure = read_failure(tmp_path)
    assert (failure.error, failure.iteration) == (f"{type(crash).__name__}: {crash}", 7)
    assert (failure.identity, failure.stops) == ("same", False)
    refuse_repetition(tmp_path, "same", again=False)
    assert read_failure(tmp_path) is None


def test_a_stop_is_no_failure(tmp_path):
    with pytest.raises(Stopped), recorded(tmp_path, "same", lambda: 7):
        raise Stopped("", 75)
    assert read_failure(tmp_path) is None


def test_processes_that_lose_another_one_do_not_hide_why(tmp_path):
    for error in (fault(), RuntimeError("connection closed by peer")):
        with pytest.raises(type(error)), recorded(tmp_path, "same", lambda: 7):
            raise error
    assert read_failure(tmp_path).identity == "same"
    assert "NaN" in read_failure(tmp_path).error


def test_a_step_after_training_forgets_its_failure_when_it_succeeds(tmp_path):
    (tmp_path / "model.pth").touch()
    with pytest.raises(ValueError, match="no image"), after_training(tmp_path, 1600):
        raise ValueError("no image")
    failure = read_failure(tmp_path)
    assert (failure.error, failure.iteration) == ("ValueError: no image", 1600)
    with after_training(tmp_path, 1600):
        assert read_failure(tmp_path) is None


def test_an_error_of_a_loading_process_is_recorded_without_its_traceback(tmp_path):
    text = f"Caught GbssError in worker 0.\nTraceback ...\ngbss.errors.GbssError: {fault()}"
    with pytest.raises(GbssError), recorded(tmp_path, "same", lambda: 7):
        raise GbssError(text)
    assert read_failure(tmp_path).error.startswith("iteration 8")


def test_of_a_run_that_is_not_finished_only_its_training_tells(tmp_path):
    folder = tmp_path / "seed-1"
    with pytest.raises(GbssError), after_training(folder, 1600):
        raise fault()
    assert not folder.exists()
    with pytest.raises(GbssError), recorded(folder, "same", lambda: 7):
        raise fault()
    with pytest.raises(ValueError, match="no weights"), after_training(folder, 1600):
        raise ValueError("no weights")
    assert read_failure(folder).identity == "same"


def test_a_passing_fault_does_not_hide_one_that_stops_the_next_attempt(tmp_path):
    for identity in ("same", None):
        with pytest.raises(GbssError), recorded(tmp_path, identity, lambda: 7):
            raise fault()
    assert read_failure(tmp_path).identity == "same"
