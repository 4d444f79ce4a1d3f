"""Gradient matrix: closed form against the chunked N x C x C way, side by side in one run.

``python benchmarks/gradients.py [--samples 2560] [--classes 81 366 1204] [--rounds 5]``
prints the median seconds of both, their ratio, the memory either needs beyond its inputs, and the
relative difference of the results (Frobenius norm). With a GPU it also runs matrix and statistics
there, and stops if either makes the host wait for it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from gbss.imbalance.gradients import GradientStatistics, gradient_matrix

CHUNK = 64
Matrix = Callable[[Tensor, Tensor], Tensor]


def by_chunks(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over an (N, C, C) tensor of softmax focal gradients (exponent 1), 64 rows at a time."""
    total = logits.new_zeros(logits.shape[1], logits.shape[1])
    for start in range(0, len(logits), CHUNK):
        chosen = labels[start : start + CHUNK, None]
        p = logits[start : start + CHUNK].softmax(1)
        onehot = torch.zeros_like(p).scatter_(1, chosen, 1)
        p_label = p.gather(1, chosen)
        slope = (1 - p_label) - p_label * p_label.log()
        total += ((slope * (p - onehot))[:, :, None] * onehot[:, None, :]).sum(0)
    return total / len(logits)


def closed_form(logits: Tensor, labels: Tensor) -> Tensor:
    return gradient_matrix(logits, labels, focal_gamma=1.0)


def inputs(samples: int, classes: int) -> tuple[Tensor, Tensor]:
    """Logits, and labels of which three quarters are background, as among RoIs."""
    generator = torch.Generator().manual_seed(classes)
    logits = 2 * torch.randn(samples, classes, generator=generator)
    labels = torch.randint(4 * classes, (samples,), generator=generator).clamp(max=classes - 1)
    return logits, labels


def seconds(matrix: Matrix, logits: Tensor, labels: Tensor) -> float:
    start = time.perf_counter()
    matrix(logits, labels)
    return time.perf_counter() - start


def added_memory(name: str, samples: int, classes: int) -> float:
    """MiB by which one call raises a fresh process's peak memory; needs Linux's /proc."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_added_memory, (name, samples, classes))


def _added_memory(name: str, samples: int, classes: int) -> float:
    torch.set_num_threads(1)
    matrix = {"chunks": by_chunks, "closed": closed_form}[name]
    matrix(*inputs(CHUNK, 5))
    logits, labels = inputs(samples, classes)
    before = _peak_kib()
    matrix(logits, labels)
    return (_peak_kib() - before) / 1024


def _peak_kib() -> int:
    # getrusage would not do: a child starts with its parent's peak.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line[:6] == "VmHWM:")


def check_asynchronous(samples: int, classes: int) -> None:
    """Runs a step of the statistics on the GPU; an error tells of a synchronisation."""
    statistics_ = GradientStatistics(classes, warmup=1).cuda()
    logits, labels = (each.cuda() for each in inputs(samples, classes))
    weights = torch.ones(samples, device="cuda")
    for _ in range(2):  # the first call loads kernels
        torch.cuda.set_sync_debug_mode("error")
        matrix = gradient_matrix(logits, labels, weights, focal_gamma=1.0)
        statistics_.observe("labeled", matrix, samples)
        statistics_.step()
        torch.cuda.set_sync_debug_mode("default")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2560)
    parser.add_argument("--classes", type=int, nargs="+", default=[81, 366, 1204])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"N = {arguments.samples}, {arguments.threads} thread(s), torch {torch.__version__}")
    print("    C   closed s   chunks s   ratio   closed MiB   chunks MiB   difference")
    for classes in arguments.classes:
        logits, labels = inputs(arguments.samples, classes)
        expected = by_chunks(logits, labels)
        difference = (closed_form(logits, labels) - expected).norm() / expected.norm()
        closed, chunks = [], []
        for _ in range(arguments.rounds):
            closed.append(seconds(closed_form, logits, labels))
            chunks.append(seconds(by_chunks, logits, labels))
        fast, slow = statistics.median(closed), statistics.median(chunks)
        memory = [added_memory(n, arguments.samples, classes) for n in ("closed", "chunks")]
        print(
            f"{classes:5d} {fast:10.5f} {slow:10.4f} {slow / fast:6.0f}x "
            f"{memory[0]:12.1f} {memory[1]:12.1f} {difference:12.1e}"
        )
        if torch.cuda.is_available():
            check_asynchronous(arguments.samples, classes)
            print(f"{classes:5d} no host synchronisation on {torch.cuda.get_device_name()}")


if __name__ == "__main__":
    main()
