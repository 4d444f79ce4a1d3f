"""Figure 7 against the method's own mathematics."""

import numpy as np
import torch

from gbss.imbalance.direct import direct_weights
from gbss.imbalance.gradients import gradient_matrix, positive_negative
from gbss.reporting.figures import worked_example as example


def samples():
    """Logits and labels of the stated samples."""
    labels = torch.arange(4).repeat_interleave(torch.tensor(example.SAMPLES).long())
    return torch.tensor(example.PREDICTED).log()[labels], labels


def test_the_predictions_are_probabilities():
    np.testing.assert_allclose(example.PREDICTED.sum(axis=1), 1)
    assert example.SAMPLES.argmin() == example.CLASSES.index("fox")


def test_the_matrix_is_that_of_the_method():
    matrix = gradient_matrix(*samples()).numpy()
    np.testing.assert_allclose(example.gradient_matrix(), matrix, atol=1e-12)


def test_the_weights_are_those_of_the_direct_solution():
    matrix = example.gradient_matrix()
    weights = example.solve(matrix)
    np.testing.assert_allclose(weights, direct_weights(torch.tensor(matrix)).weights, rtol=1e-12)
    np.testing.assert_allclose(matrix @ weights, 0, atol=1e-15)


def test_the_forces_are_those_of_the_method_and_balanced_afterwards(world):
    matrix = example.gradient_matrix()
    for weights in (np.ones(4), np.array([0.5, 2, 3, 0.1])):
        positive, negative = example.forces(matrix, weights)
        one, other = positive_negative(torch.tensor(matrix), torch.tensor(weights))
        np.testing.assert_allclose(positive, weights * one.numpy())
        np.testing.assert_allclose(negative, other.numpy())
    table = world.numbers(example.FIGURE)
    after = {
        what: table[table["what"] == f"{what} after"]["value"] for what in ("positive", "negative")
    }
    np.testing.assert_allclose(after["positive"], after["negative"])
    before = table[table["what"] == "negative before"]["value"].iloc[2]
    assert before > table[table["what"] == "positive before"]["value"].iloc[2]  # fox is pushed down


def test_it_is_drawn_with_its_numbers(world):
    table = world.numbers(example.FIGURE)
    assert table[table["what"] == "number"]["value"].tolist() == [160, 120, 10, 210]
    its = table[(table["what"] == "probability") & (table["samples"] == "fox")]
    assert its["value"].tolist() == [0.05, 0.35, 0.4, 0.2]
    matrix, *_ = world.drawn(example.FIGURE).axes
    texts = [text.get_text() for text in matrix.texts]
    assert texts[0] == "\N{MINUS SIGN}4.80"  # 160 / 500 * -0.15
    assert texts[2] == "0.10"  # 10 / 500 * 0.05
