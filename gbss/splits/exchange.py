"""Adds, takes away and exchanges rows until their sum is as near to a target as it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

TRIES = 512
"""How many chosen rows are tried for an exchange, the most promising first, before giving up; where
no more is asked for."""

HUGE = 2**62
"""More than any change of a cost."""


@dataclass
class Choice:
    """Some of N rows, and what other choices next to it would cost.

    The cost is ``sum_d weights[d] * (targets[d] - sum of the chosen rows[d])^2``. All is computed
    with integers, so that every machine comes to the same choice.

    Attributes:
        rows: (N, D) what each row adds to the sum, not negative.
        weights: (D,).
        missing: (D,) targets minus the sum of the chosen rows.
        chosen: (N,).
        pull: (N,) ``rows @ (weights * missing)``, kept up to date.
        own: (N,) ``rows**2 @ weights``.
    """

    rows: Ints
    weights: Ints
    missing: Ints
    chosen: NDArray[np.bool_]
    pull: Ints
    own: Ints

    @classmethod
    def of(cls, rows: Ints, weights: Ints, targets: Ints, chosen: NDArray[np.bool_]) -> Self:
        """The state that belongs to a choice; see the attributes for the arguments."""
        rows = np.asfortranarray(rows)
        missing = targets - rows[chosen].sum(axis=0)
        own = sum(w * rows[:, d] ** 2 for d, w in enumerate(weights))
        pull = sum(
            w * m * rows[:, d] for d, (w, m) in enumerate(zip(weights, missing, strict=True))
        )
        return cls(rows, weights, missing, chosen.copy(), np.asarray(pull), np.asarray(own))

    def cost(self) -> int:
        """How far the sum is from the targets; 0 if it meets them."""
        pairs = zip(self.weights.tolist(), self.missing.tolist(), strict=True)
        return sum(weight * missing**2 for weight, missing in pairs)

    def flip(self, row: int) -> None:
        """Takes a chosen row away, or adds another."""
        change = self.rows[row] * (1 if self.chosen[row] else -1)
        self.chosen[row] = not self.chosen[row]
        self.missing += change
        for column in np.flatnonzero(change):
            self.pull += self.weights[column] * change[column] * self.rows[:, column]

    def additions(self) -> Ints:
        """What adding each of the N rows changes in cost; a huge number for the chosen rows."""
        return np.where(self.chosen, HUGE, self.own - 2 * self.pull)

    def best_exchange(self, row: int, additions: Ints) -> tuple[int, int]:
        """The first of the rows that are cheapest to add once a chosen one is taken away.

        Args:
            row: The chosen row.
            additions: What `additions` gives.

        Returns:
            The row to add, and what adding it then changes in cost.
        """
        changes = additions.copy()
        for column in np.flatnonzero(self.rows[row]):
            changes -= 2 * self.weights[column] * self.rows[row, column] * self.rows[:, column]
        other = int(np.argmin(changes))
        return other, int(changes[other])

    def removals(self) -> tuple[Ints, Ints]:
        """The chosen rows, cheapest to take away first, and what each changes in cost."""
        rows = np.flatnonzero(self.chosen)
        changes = self.own[rows] + 2 * self.pull[rows]
        order = np.argsort(changes, kind="stable")
        return rows[order], changes[order]


def approach(choice: Choice, *, fixed: bool, tries: int = TRIES) -> None:
    """Changes a choice until no addition, removal or exchange that is tried brings it nearer.

    Args:
        choice: What to start from; ties are decided by the order of its rows.
        fixed: The number of chosen rows stays: only exchanges.
        tries: How many chosen rows are tried for an exchange before giving up.
    """
    while choice.cost() > 0 and (_exchange(choice, tries) or (not fixed and _resize(choice))):
        pass


def _exchange(choice: Choice, tries: int) -> bool:
    """Makes the first exchange that brings the choice nearer; False if none of those tried does."""
    rows, changes = choice.removals()
    additions = choice.additions()
    for row, change in zip(rows[:tries].tolist(), changes[:tries].tolist(), strict=True):
        other, further = choice.best_exchange(row, additions)
        if change + further < 0:
            choice.flip(row)
            choice.flip(other)
            return True
    return False


def _resize(choice: Choice) -> bool:
    """Adds or takes away the best row, if that brings the choice nearer."""
    additions = choice.additions()
    row = int(np.argmin(additions))
    change = int(additions[row])
    rows, changes = choice.removals()
    if len(rows) and changes[0] < change:
        row, change = int(rows[0]), int(changes[0])
    if change < 0:
        choice.flip(row)
    return change < 0
