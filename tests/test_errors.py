import pytest

from gbss.errors import Fault, Faults, GbssError, nearest


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
