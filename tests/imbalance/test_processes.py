"""Two processes with a share of the samples each, against one process with all of them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

SCRIPT = Path(__file__).with_name("training.py")
Results = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    folder = tmp_path_factory.mktemp("processes")
    outputs = [folder / f"{rank}.pt" for rank in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), "2", str(folder / "store"), str(output)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, output in enumerate(outputs)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    return [torch.load(output) for output in outputs]


@pytest.fixture(scope="module")
def one_process() -> dict[str, Tensor]:
    spec = importlib.util.spec_from_file_location("training", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    results: dict[str, Tensor] = module.train(0, 1, "paper")
    return results


def test_two_processes_give_what_one_gives_with_all_samples(
    one_process: dict[str, Tensor], two_processes: list[Results]
) -> None:
    assert (one_process["weights"] - 1).abs().max() > 0.01
    assert one_process["thresholds"].min() < 0.89
    assert len(one_process["pool"]) > 8
    assert one_process["repeat factors"].max() > 1.1
    for name, expected in one_process.items():
        found = two_processes[0]["paper"][name]
        # Repeat factors multiply the margins' rounding by r_c.
        limit = 1e-5 if name == "repeat factors" else 1e-6
        torch.testing.assert_close(
            found,
            expected,
            rtol=limit,
            atol=limit,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("variant", ["paper", "release"])
def test_both_processes_have_the_same_bits(two_processes: list[Results], variant: str) -> None:
    first, second = (results[variant] for results in two_processes)
    # The released code's normaliser is each process's own.
    own = {"normaliser"} if variant == "release" else set()
    for name in first.keys() - own:
        assert torch.equal(first[name], second[name]), name
