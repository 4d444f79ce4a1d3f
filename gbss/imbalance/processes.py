"""The two collectives that the statistics need; without torch.distributed both do nothing."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def _process_count() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_processes(values: Tensor) -> None:
    """Replaces ``values`` (contiguous, any shape) by their sum over all processes."""
    if _process_count() > 1:
        dist.all_reduce(values)


def gather_rows(rows: Tensor) -> Tensor:
    """Concatenates the rows of all processes in the order of their ranks.

    Args:
        rows: (M, K); M may differ between processes and may be 0.

    Returns:
        (sum of M, K), equal on every process.
    """
    processes = _process_count()
    if processes == 1:
        return rows
    length = torch.tensor([len(rows)], device=rows.device)
    lengths = [torch.empty_like(length) for _ in range(processes)]
    dist.all_gather(lengths, length)
    sizes = [int(size) for size in lengths]
    # all_gather wants equal shapes, so short processes pad and the padding is cut off again.
    padded = rows.new_zeros(max(sizes), rows.shape[1])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in range(processes)]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
