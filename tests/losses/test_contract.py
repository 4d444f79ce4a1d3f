"""What every loss of the folder keeps; a file without an entry in `made.MADE` fails."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

import gbss.losses
from gbss.configs.losses import box_head
from gbss.experiments import load_experiments
from gbss.losses.base import ClassificationLoss
from gbss.rows import LOSSES

HERE = Path(__file__).parent
SCRIPT = HERE / "made.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("made", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made = load()
# Beside what all have in common, what is no classification loss; its test is test_daso.py.
OTHERS = {"base", "daso"}
# Outside of the folder, as it needs mmdet; its plain formulas are in tests/detection.
ELSEWHERE = {"seesaw"}
# The compensation factor is a function of the logits that gradients do not pass.
DETACHED = {"seesaw"}
FILES = {each.name for each in pkgutil.iter_modules(gbss.losses.__path__)} - OTHERS
every_loss = pytest.mark.parametrize("name", sorted(made.MADE))


def test_every_file_has_one_loss_a_test_and_an_entry() -> None:
    assert set(made.MADE) == FILES | ELSEWHERE
    assert {path.stem[5:] for path in HERE.glob("test_*.py")} - {"contract", "daso"} == FILES
    for name in FILES:
        module = importlib.import_module(f"gbss.losses.{name}")
        losses = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, ClassificationLoss)
        ]
        own = [each for each in losses if each.__module__ == module.__name__]
        assert [type(made.MADE[name]())] == own
        doc = own[0].__doc__
        assert doc is not None
        assert "Source: " in doc
        assert "Args:" in doc


def test_every_loss_that_a_row_can_name_is_here() -> None:
    row = load_experiments().rows["soft-teacher"]
    heads = [box_head(replace(row, loss=name), made.CLASSES) for name in LOSSES]
    named = {head["loss_cls"]["type"] for head in heads if head}
    types = [type(make()) for make in made.MADE.values()]
    assert named == {f"{each.__module__}.{each.__name__}" for each in types}


@pytest.mark.parametrize("name", sorted(set(made.MADE) - DETACHED))
def test_its_gradients_are_those_of_differences(name: str) -> None:
    loss = made.MADE[name]()
    made.trained(loss)
    logits, labels, weights = made.batch(loss, 7)
    loss.eval()
    z = logits.requires_grad_()

    def value(z: Tensor) -> Tensor:
        found: Tensor = loss(z, labels, weights, avg_factor=5.0)
        return found

    assert torch.autograd.gradcheck(value, (z,))
    (gradient,) = torch.autograd.grad(value(z), z)
    own = loss.logit_gradients(logits, labels) * weights[:, None] / 5
    torch.testing.assert_close(own, gradient)


@every_loss
@pytest.mark.parametrize("size", [0.0, 1.0, 40.0, 5000.0])
def test_loss_and_gradient_are_finite(name: str, size: float) -> None:
    loss = made.MADE[name]()
    logits, labels, weights = made.batch(loss, 1, torch.float32)
    z = (logits * size).requires_grad_()
    found = loss(z, labels, weights)
    (gradient,) = torch.autograd.grad(found, z)
    assert found.isfinite()
    assert found >= 0
    assert gradient.isfinite().all()
    loss.step()
    assert made.probe(loss).isfinite().all()


@every_loss
def test_reductions_agree(name: str) -> None:
    loss = made.MADE[name]()
    made.trained(loss)
    logits, labels, weights = made.batch(loss, 3)
    each = loss(logits, labels, weights, reduction_override="none")
    assert each.shape == (made.N,)
    total = each.sum()
    torch.testing.assert_close(loss(logits, labels, weights, reduction_override="sum"), total)
    torch.testing.assert_close(loss(logits, labels, weights), total / made.N)
    torch.testing.assert_close(loss(logits, labels, weights, avg_factor=3.5), total / 3.5)
    loss.loss_weight = 2.5
    torch.testing.assert_close(loss(logits, labels, weights), 2.5 * total / made.N)


@every_loss
def test_weights_multiply_terms(name: str) -> None:
    loss = made.MADE[name]()
    made.trained(loss)
    logits, labels, weights = made.batch(loss, 3)
    terms = loss(logits, labels, reduction_override="none")
    found = loss(logits, labels, weights, reduction_override="none")
    torch.testing.assert_close(found, weights * terms)
    assert terms.std() > 0.01
    # A sample with weight 0 might as well not be there.
    some = weights > 0.4
    alone = loss(logits[some], labels[some], weights[some], avg_factor=4.0)
    torch.testing.assert_close(loss(logits, labels, weights * some, avg_factor=4.0), alone)


@every_loss
def test_samples_without_weight_leave_no_trace(name: str) -> None:
    with_all, without = made.MADE[name](), made.MADE[name]()
    logits, labels, weights = made.batch(with_all, 3)
    some = weights > 0.4
    with_all(logits, labels, weights * some)
    without(logits[some], labels[some], weights[some])
    for loss in (with_all, without):
        loss.step()
    torch.testing.assert_close(made.probe(with_all), made.probe(without))


@every_loss
def test_an_empty_batch_costs_nothing_and_changes_nothing(name: str) -> None:
    loss = made.MADE[name]()
    made.trained(loss)
    before = made.probe(loss.eval())
    loss.train()
    logits, labels, weights = (each[:0] for each in made.batch(loss, 3))
    z = logits.requires_grad_()
    found = loss(z, labels, weights)
    found.backward()
    loss.step()
    loss.step()  # a step without any batch
    assert found == 0
    torch.testing.assert_close(made.probe(loss), before)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    loss = made.MADE[name]()
    logits, labels, weights = made.batch(loss, 5, dtype)
    expected = loss(logits.float(), labels, weights.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(logits.requires_grad_(), labels, weights.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    found.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@every_loss
def test_its_state_resumes(name: str) -> None:
    whole, cut = made.MADE[name](), made.MADE[name]()
    made.trained(whole)
    made.trained(cut)
    fresh = made.MADE[name]()
    fresh.load_state_dict(cut.state_dict())
    for loss in (whole, fresh):
        made.trained(loss, steps=3)
    assert torch.equal(made.probe(whole), made.probe(fresh))


@every_loss
def test_only_training_teaches(name: str) -> None:
    loss, other = made.MADE[name](), made.MADE[name]()
    made.trained(loss)
    made.trained(other)
    loss.eval()
    made.trained(loss)
    torch.testing.assert_close(made.probe(loss), made.probe(other))


@every_loss
def test_scores_are_between_0_and_1_and_order_as_logits_do(name: str) -> None:
    loss = made.MADE[name]()
    logits, _, _ = made.batch(loss, 8)
    for scores in map(loss.get_activation, (logits, loss.final_logits(logits))):
        assert scores.shape == (made.N, made.CLASSES + 1)
        assert ((scores >= 0) & (scores <= 1)).all()
    foreground = loss.get_activation(logits)[:, :-1]
    assert torch.equal(foreground.argsort(1), logits[:, : made.CLASSES].argsort(1))


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    folder = tmp_path_factory.mktemp("processes")
    outputs = [folder / f"{rank}.pt" for rank in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(folder / "store"), str(output)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, output in enumerate(outputs)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    return [torch.load(output) for output in outputs]


@every_loss
def test_two_processes_are_like_one(name: str, two_processes: list[dict[str, Tensor]]) -> None:
    alone = made.MADE[name]()
    made.trained(alone)
    expected = made.probe(alone)
    for found in two_processes:
        torch.testing.assert_close(found[name], expected)


def test_two_processes_blend_like_one(two_processes: list[dict[str, Tensor]]) -> None:
    expected = made.blended()
    assert expected.std() > 0.05
    for found in two_processes:
        torch.testing.assert_close(found["daso"], expected)
