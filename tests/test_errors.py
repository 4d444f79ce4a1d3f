import pytest

from gbss.errors import Fault, Faults, GbssError, in_our_words, nearest


def test_faults_come_together_in_the_order_found():
    with pytest.raises(GbssError) as caught, Faults() as faults:
        faults.add("a.json: box 7", found="-3", expected="a size above 0", fix="remove it")
        faults.add("a.json: box 9", found="nan", expected="a number", fix="correct it")
    assert [fault.where for fault in caught.value.faults] == ["a.json: box 7", "a.json: box 9"]
    assert "found:    nan" in str(caught.value)
    assert "to do:    remove it" in str(caught.value)


def test_a_nested_error_is_reported_with_what_was_collected():
    with pytest.raises(GbssError) as caught, Faults() as faults:
        faults.add("first", found="a", expected="b", fix="c")
        raise GbssError(Fault("second", "d", "e", "f"))
    assert [fault.where for fault in caught.value.faults] == ["first", "second"]


def test_other_exceptions_are_not_hidden():
    with pytest.raises(ZeroDivisionError), Faults() as faults:
        faults.add("first", found="a", expected="b", fix="c")
        raise ZeroDivisionError


def test_many_faults_are_counted():
    text = str(GbssError(*(Fault(f"box {i}", "x", "y", "z") for i in range(23))))
    assert "box 19" in text
    assert "box 20" not in text
    assert text.endswith("... and 3 more")


def test_nearest_names_the_likely_spelling_and_all_others():
    assert nearest("iteratons", ["warmup", "iterations"]) == (
        "did you mean 'iterations'? known: iterations, warmup"
    )
    assert nearest("zzz", ["warmup", "iterations"]) == "known: iterations, warmup"


def test_nearest_takes_what_is_no_text():
    assert nearest(12, ["twelve", 13]) == "known: 13, twelve"


def test_errors_of_the_operating_system_in_our_layout():
    (fault,) = in_our_words(FileNotFoundError(2, "No such file or directory", "a.txt")).faults
    assert (fault.where, fault.found) == ("a.txt", "No such file or directory")
    (fault,) = in_our_words(OSError("no strerror")).faults
    assert (fault.where, fault.found) == ("the operating system", "no strerror")
    ours = GbssError(Fault("a", "b", "c", "d"))
    assert in_our_words(ours) is ours
