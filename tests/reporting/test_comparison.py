import math

import pytest

from gbss.reporting import comparison
from gbss.reporting.comparison import comparison_note, difference

T_OF_4 = 2.7764451  # 0.975 quantile of Student's t with 4 degrees of freedom


def test_interval_by_hand():
    # Equal sizes and variances of 1: 4 degrees of freedom, standard error sqrt(1/3 + 1/3).
    half = T_OF_4 * math.sqrt(2 / 3)
    assert difference([33.0, 35.0, 34.0], [24.5, 22.5, 23.5]) == pytest.approx(
        (10.5, 10.5 - half, 10.5 + half), abs=1e-6
    )


def test_the_note_gives_every_column_and_the_sign(make_record):
    ours = [make_record(low, 0.5, seed=seed) for seed, low in enumerate((0.33, 0.35, 0.34))]
    others = [make_record(low, 0.5, seed=seed) for seed, low in enumerate((0.445, 0.425, 0.435))]
    note = comparison_note(("Ours", "Theirs"), (ours, others), ("minority",))
    assert note == (
        "Ours against Theirs, difference of the means with Welch's 95 % interval: "
        "min \N{MINUS SIGN}9.5 (\N{MINUS SIGN}11.8 to \N{MINUS SIGN}7.2)."
    )


def test_one_seed_gives_no_interval(make_record):
    records = [make_record(0.3, 0.5)]
    assert comparison_note(("A", "B"), (records, []), ("all",)) == (
        "A against B: no interval yet, needs two seeds of both."
    )


def test_a_group_without_ground_truth_is_left_out(make_record):
    pair = [[make_record(None, high, seed=seed) for seed, high in enumerate((0.5, 0.6))]] * 2
    note = comparison_note(("A", "B"), tuple(pair), ("majority", "minority"))
    assert "maj +0.0" in note


def test_an_interval_is_rounded_outwards(make_record, monkeypatch):
    # So that none leaves out a zero that it holds.
    monkeypatch.setattr(comparison, "difference", lambda *_: (3.94, -0.027, 7.81))
    records = [make_record(high, 0.5, seed=seed) for seed, high in enumerate((0.1, 0.2))]
    note = comparison_note(("A", "B"), (records, records), ("minority",))
    assert note.endswith("min +3.9 (\N{MINUS SIGN}0.1 to +7.9).")
