import pytest

from gbss.engine.failures import recorded, refuse_repetition
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
    "crash", [RuntimeError("CUDA error"), MemoryError(), OSError("disk full"), Stopped("", 75)]
)
def test_what_may_be_gone_next_time_is_not_recorded(tmp_path, crash):
    with pytest.raises(type(crash)), recorded(tmp_path, "same", lambda: 7):
        raise crash
    assert read_failure(tmp_path) is None


def test_an_error_of_a_loading_process_is_recorded_without_its_traceback(tmp_path):
    text = f"Caught GbssError in worker 0.\nTraceback ...\ngbss.errors.GbssError: {fault()}"
    with pytest.raises(GbssError), recorded(tmp_path, "same", lambda: 7):
        raise GbssError(text)
    assert read_failure(tmp_path).error.startswith("iteration 8")
