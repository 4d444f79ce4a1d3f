import math

import pytest
import torch
from torch.nn import functional

from gbss.detection import seesaw
from gbss.detection.seesaw import SeesawLoss
from gbss.errors import GbssError

CLASSES = 4


def batch(seed, count=9):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, CLASSES + 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(2 * CLASSES, (count,), generator=generator).clamp(max=CLASSES)
    return logits, labels, torch.rand(count, generator=generator, dtype=torch.float64)


def softmax(row):
    return [math.exp(z) / sum(map(math.exp, row)) for z in row]


def slow_term(row, label, counts, p=0.8, q=2.0, eps=1e-2):
    """The formulas of the paper for one sample."""
    objectness = softmax(row[-2:])
    if label == CLASSES:
        return -math.log(objectness[1])
    classes, scores = row[:-2], softmax(row[:-2])
    total = 0.0
    for column, z in enumerate(classes):
        factor = 1.0
        if column != label:
            ratio = max(counts[column], 1) / max(counts[label], 1)
            factor = min(ratio, 1.0) ** p
            factor *= max(scores[column] / max(scores[label], eps), 1.0) ** q
        total += factor * math.exp(z)
    return -math.log(math.exp(classes[label]) / total) - math.log(objectness[0])


def test_by_hand():
    loss = SeesawLoss(2)
    # Class 0 was seen 16 times, class 1 once: 16^-0.8 and no more for a sample of class 0.
    loss(torch.zeros(17, 4), torch.tensor([0] * 16 + [1]))
    loss.step()
    found = loss(torch.tensor([[math.log(2), 0.0, 0.0, 0.0]]), torch.tensor([0]), avg_factor=3)
    expected = (-math.log(2 / (2 + 16**-0.8)) + math.log(2)) / 3
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_a_training_equals_the_plain_formulas():
    loss, counts = SeesawLoss(CLASSES), [0] * (CLASSES + 1)
    for step in range(4):
        logits, labels, weights = batch(step, 30)
        found = loss(logits, labels, weights, reduction_override="none").tolist()
        for term, row, label, weight in zip(
            found, logits.tolist(), labels.tolist(), weights.tolist(), strict=True
        ):
            assert term == pytest.approx(weight * slow_term(row, label, counts), rel=1e-5)
        loss.step()
        for label in labels.tolist():
            counts[label] += 1
    assert loss.theirs.cum_samples.tolist() == counts


def test_reductions_weights_empty_batches_and_state():
    loss = SeesawLoss(CLASSES)
    logits, labels, weights = batch(1)
    loss(logits, labels, weights)
    loss.step()
    each = loss(logits, labels, weights, reduction_override="none")
    torch.testing.assert_close(loss(logits, labels, weights, avg_factor=2.5), each.sum() / 2.5)
    torch.testing.assert_close(each, weights * loss(logits, labels, reduction_override="none"))
    z = logits[:0].requires_grad_()
    empty = loss(z, labels[:0], weights[:0])
    empty.backward()
    assert empty == 0
    background = loss(logits, torch.full_like(labels, CLASSES))
    assert background.isfinite()
    fresh = SeesawLoss(CLASSES)
    fresh.load_state_dict(loss.state_dict())
    probe = batch(7)
    assert torch.equal(fresh.eval()(*probe), loss.eval()(*probe))


def test_half_precision_is_computed_in_float32():
    loss = SeesawLoss(CLASSES)
    logits, labels, _ = batch(4)
    found = loss(logits.half(), labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(logits.half().float(), labels))


def test_counts_are_those_of_all_processes_and_leave_out_what_has_no_weight(monkeypatch):
    monkeypatch.setattr(seesaw, "sum_over_processes", lambda values: values.mul_(2))
    loss = SeesawLoss(CLASSES)
    loss(torch.zeros(4, CLASSES + 2), torch.tensor([0, 0, 3, 1]), torch.tensor([1.0, 0.2, 1, 0]))
    loss.step()
    assert loss.theirs.cum_samples.tolist() == [4, 0, 0, 2, 0]


def test_exponents_are_checked():
    for name in ("p", "q"):
        with pytest.raises(GbssError, match=f"SeesawLoss: {name}"):
            SeesawLoss(CLASSES, **{name: -0.1})


def test_scores_and_gradients_are_those_of_one_softmax_over_their_logarithms():
    loss = SeesawLoss(CLASSES)
    logits, labels, _ = batch(5)
    scores = loss.get_activation(logits)
    torch.testing.assert_close(scores.sum(1), torch.ones(9, dtype=torch.float64))
    z = scores.log().requires_grad_()
    (expected,) = torch.autograd.grad(functional.cross_entropy(z, labels, reduction="sum"), z)
    torch.testing.assert_close(loss.logit_gradients(logits, labels), expected)
