import math

import pytest
import torch

from gbss.errors import GbssError
from gbss.losses import daso as module
from gbss.losses.daso import Daso


def made(**settings):
    return Daso(**{"classes": 3, "features": 2, "warmup": 4, "length": 4} | settings)


def learned(**settings):
    """Class 0 points right, class 1 up; class 2 has no features."""
    daso = made(**settings)
    daso.observe(torch.tensor([[2.0, 0.5], [0, 3], [2, -0.5], [0, 1]]), torch.tensor([0, 1, 0, 1]))
    daso.step()
    return daso


def test_by_hand():
    daso = learned(temperature=0.5)
    assert daso.directions.tolist() == [[1, 0], [0, 1], [0, 0]]
    # cos 45° for both known classes: one half each.
    semantics = daso.semantics(torch.tensor([[3.0, 3.0], [5.0, 0.0]]))
    assert semantics.exp()[0].tolist() == pytest.approx([0.5, 0.5, 0])
    e = math.exp(1 / 0.5)
    assert semantics.exp()[1].tolist() == pytest.approx([e / (1 + e), 1 / (1 + e), 0])
    # Six pseudo labels of class 0, three of class 1: v = 1, 1/2, 0.
    daso.note(torch.tensor([0] * 6 + [1] * 3))
    daso.step()
    assert daso.shares().tolist() == pytest.approx([1, 0.5, 0])
    p = torch.tensor([[0.2, 0.7, 0.1]] * 3)
    found = daso.blend(p, torch.tensor([0, 1, 2]), semantics[[0, 0, 0]])
    expected = [[0.5, 0.5, 0], [0.35, 0.6, 0.05], [0.2, 0.7, 0.1]]
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 1.5])
def test_a_training_equals_the_plain_formulas(sharpness):
    daso = made(sharpness=sharpness, temperature=0.2, length=3, window=2)
    generator = torch.Generator().manual_seed(4)
    features, kinds, noted = [], [], []
    for _ in range(5):
        batch = torch.randn(6, 2, generator=generator).half().float()
        labels = torch.randint(3, (6,), generator=generator)
        pseudo = torch.randint(3, (5,), generator=generator).clamp(max=1)
        daso.observe(batch[:2], labels[:2])
        daso.observe(batch[2:], labels[2:])
        daso.note(pseudo)
        daso.step()
        features += batch.tolist()
        kinds += labels.tolist()
        noted.append(pseudo.tolist())
    prototypes = []
    for kind in range(3):
        latest = [f for f, k in zip(features, kinds, strict=True) if k == kind][-3:]
        prototypes.append([sum(column) / len(latest) for column in zip(*latest, strict=True)])
    seen = [1.5, -0.4]
    likeness = [
        sum(a * b for a, b in zip(seen, c, strict=True)) / math.hypot(*seen) / math.hypot(*c)
        for c in prototypes
    ]
    weights = [math.exp(each / 0.2) for each in likeness]
    q = [each / sum(weights) for each in weights]
    assert daso.semantics(torch.tensor([seen])).exp()[0].tolist() == pytest.approx(q, rel=1e-3)
    latest = noted[-2] + noted[-1]
    m = [(latest.count(kind) / len(latest)) ** (1 / sharpness) for kind in range(3)]
    v = [each / max(m) for each in m]
    assert daso.shares().tolist() == pytest.approx(v, rel=1e-5)
    p = [0.5, 0.3, 0.2]
    found = daso.blend(torch.tensor([p]), torch.tensor([1]), daso.semantics(torch.tensor([seen])))
    expected = [(1 - v[1]) * a + v[1] * b for a, b in zip(p, q, strict=True)]
    assert found[0].tolist() == pytest.approx(expected, rel=1e-3)


def test_alignment_is_a_cross_entropy_with_a_gradient_on_the_student_alone():
    daso = learned(temperature=0.3)
    weak = torch.tensor([[1.0, 2.0], [4.0, -1.0]])
    strong = torch.tensor([[2.0, 1.0], [1.0, 1.0]], requires_grad=True)
    targets = daso.semantics(weak)
    loss = daso.alignment(strong, targets, 7)
    q, logs = targets.exp()[:, :2], daso.semantics(strong)[:, :2]
    assert loss.item() == pytest.approx(-(q * logs).sum().item() / 7, rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, strong)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
    # Aligned already: what remains is the entropy, and no slope.
    same = weak.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(daso.alignment(same, targets, 2), same)
    torch.testing.assert_close(gradient, torch.zeros(2, 2), atol=1e-6, rtol=0)


def test_the_way_back_comes_after_the_end_of_the_step():
    daso = learned()
    strong = torch.tensor([[2.0, 1.0], [1.0, 1.0]], requires_grad=True)
    loss = daso.alignment(strong, daso.semantics(strong.detach().flip(0)), 2)
    (expected,) = torch.autograd.grad(loss, strong, retain_graph=True)
    daso.observe(torch.tensor([[1.0, 5.0]]), torch.tensor([0]))
    daso.step()
    (found,) = torch.autograd.grad(loss, strong)
    assert torch.equal(found, expected)


def test_without_boxes_without_features_and_with_broken_ones_everything_is_finite():
    daso = made()
    features = torch.ones(2, 2, requires_grad=True)
    assert daso.semantics(features).exp().tolist() == [pytest.approx([1 / 3] * 3)] * 2
    none = daso.alignment(features[:0], torch.zeros(0, 3), 0)
    assert none == 0
    none.backward()
    daso.step()
    assert daso.shares().tolist() == [0, 0, 0]
    daso = learned()
    before = daso.directions.clone()
    daso.observe(torch.tensor([[float("nan"), 1.0]]), torch.tensor([0]))
    daso.step()
    assert torch.equal(daso.directions, before)
    loss = daso.alignment(features, daso.semantics(features.detach()), 2)
    assert loss.isfinite()


def test_a_step_ends_before_the_gradients_are_taken():
    daso = learned()
    strong = torch.tensor([[2.0, 1.0]], requires_grad=True)
    loss = daso.alignment(strong, daso.semantics(torch.tensor([[1.0, 2.0]])), 1)
    before = daso.directions
    daso.observe(torch.tensor([[-3.0, 1.0]]), torch.tensor([0]))
    daso.step()
    assert not torch.equal(daso.directions, before)
    loss.backward()
    assert strong.grad.abs().sum() > 0


def test_features_beyond_half_precision_have_a_direction():
    daso = made()
    daso.observe(torch.tensor([[7e4, 0.0], [float("inf"), 1.0]]), torch.tensor([1, 1]))
    daso.step()
    assert daso.directions.tolist() == [[0, 0], [1, 0], [0, 0]]
    assert daso.filled.tolist() == [0, 1, 0]


def test_the_queue_keeps_the_latest_and_its_state_resumes():
    daso = learned(length=2)
    daso.observe(torch.tensor([[0.0, 9.0]] * 5), torch.tensor([0] * 5))
    daso.step()
    assert daso.directions[0].tolist() == [0, 1]
    fresh = made(length=2)
    fresh.load_state_dict(daso.state_dict())
    for each in (daso, fresh):
        each.observe(torch.tensor([[3.0, 1.0]]), torch.tensor([0]))
        each.note(torch.tensor([1, 1, 0]))
        each.step()
    assert torch.equal(daso.directions, fresh.directions)
    assert torch.equal(daso.shares(), fresh.shares())
    assert [daso.ready(iteration) for iteration in (3, 4)] == [False, True]


def test_processes_share_queues_and_counts(monkeypatch):
    monkeypatch.setattr(module, "gather_rows", lambda rows: torch.cat([rows, rows.flip(0)]))
    monkeypatch.setattr(module, "sum_over_processes", lambda values: values.add_(1))
    daso = learned()
    assert daso.filled.tolist() == [4, 4, 0]
    assert daso.shares().tolist() == [1, 1, 1]


def test_arguments_are_checked():
    for name in ("warmup", "length", "temperature", "sharpness"):
        with pytest.raises(GbssError, match=name):
            made(**{name: -1})
