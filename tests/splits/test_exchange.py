import itertools

import numpy as np
import pytest

from gbss.splits.exchange import Choice, approach

WEIGHTS = np.array([7, 2, 5])


@pytest.fixture
def choice():
    """Twelve rows of three numbers, five of them chosen."""
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 4, size=(12, 3))
    chosen = np.isin(np.arange(12), [1, 2, 6, 7, 10])
    return Choice.of(rows, WEIGHTS, np.array([9, 4, 11]), chosen)


def cost(choice, chosen):
    """A slow plain reference."""
    missing = np.array([9, 4, 11]) - choice.rows[chosen].sum(axis=0)
    return int((WEIGHTS * missing**2).sum())


def flipped(choice, *rows):
    chosen = choice.chosen.copy()
    chosen[list(rows)] = ~chosen[list(rows)]
    return chosen


def test_cost_and_state_follow_every_flip(choice):
    for row in (3, 1, 11, 3):
        choice.flip(row)
        assert choice.cost() == cost(choice, choice.chosen)
        fresh = Choice.of(choice.rows, WEIGHTS, np.array([9, 4, 11]), choice.chosen)
        assert choice.pull.tolist() == fresh.pull.tolist()


def test_the_best_exchange_is_the_best_of_all(choice):
    others = np.flatnonzero(~choice.chosen).tolist()
    additions = choice.additions()
    for row in others:
        assert additions[row] == cost(choice, flipped(choice, row)) - choice.cost()
    for out in np.flatnonzero(choice.chosen).tolist():
        row, change = choice.best_exchange(out, additions)
        without = cost(choice, flipped(choice, out))
        changes = {each: cost(choice, flipped(choice, out, each)) - without for each in others}
        assert change == changes[row] == min(changes.values())


def test_removals_come_with_their_price_and_the_cheapest_first(choice):
    rows, changes = choice.removals()
    assert sorted(rows.tolist()) == np.flatnonzero(choice.chosen).tolist()
    assert changes.tolist() == sorted(changes.tolist())
    assert changes.tolist() == [
        cost(choice, flipped(choice, row)) - choice.cost() for row in rows.tolist()
    ]


def test_no_exchange_is_left_that_would_help(choice):
    before = choice.cost()
    approach(choice, fixed=True)
    assert choice.chosen.sum() == 5
    assert choice.cost() < before
    outs, ins = np.flatnonzero(choice.chosen), np.flatnonzero(~choice.chosen)
    assert choice.cost() == cost(choice, choice.chosen)
    assert choice.cost() <= min(
        cost(choice, flipped(choice, out, other)) for out, other in itertools.product(outs, ins)
    )


def test_the_number_of_rows_may_follow_from_the_targets(choice):
    few = Choice.of(choice.rows, WEIGHTS, np.array([9, 4, 11]), np.zeros(12, dtype=np.bool_))
    approach(few, fixed=False)
    singles = [cost(few, flipped(few, row)) for row in range(12)]
    assert few.cost() <= min(singles)
    many = Choice.of(choice.rows, WEIGHTS, np.array([0, 0, 0]), choice.chosen)
    approach(many, fixed=False)
    assert many.missing.tolist() == [0, 0, 0]


def test_numbers_of_a_large_file_stay_exact():
    # 10,000 images too many of a class that should lie in two: far from any overflow.
    rows = np.ones((20_000, 1), dtype=np.int64)
    far = Choice.of(rows, np.array([2**30]), np.array([2]), np.arange(20_000) < 10_002)
    assert far.cost() == 2**30 * 10_000**2
    assert far.removals()[1][0] == 2**30 * (9_999**2 - 10_000**2)
