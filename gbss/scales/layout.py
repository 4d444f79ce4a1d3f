"""How the parts of a batch fall to processes."""

from __future__ import annotations

from dataclasses import dataclass

from gbss.errors import fail
from gbss.scales.scale import Scale


@dataclass(frozen=True)
class Layout:
    """How many processes train, on how many nodes, and how many parts each of them has."""

    nodes: int
    per_node: int
    parts: int

    @property
    def processes(self) -> int:
        """On all nodes together."""
        return self.nodes * self.per_node


def layout(scale: Scale, gpus: int | None = None, devices: int = 0) -> Layout:
    """As many processes as the scale asks for, or fewer that can share the parts of a batch.

    Args:
        scale: Its ``resources`` and ``batch``.
        gpus: On all nodes together, if not those of the scale.
        devices: GPUs of this machine; 0: as many as are asked for.

    Raises:
        GbssError: The nodes cannot share the parts.
    """
    job, parts = scale.resources["train"], scale.batch.parts
    wanted = job.processes_per_node
    if job.processes is None and gpus is not None:
        wanted = max(1, gpus // job.nodes)
    if devices:
        wanted = min(wanted, devices)
    if parts % job.nodes:
        raise fail(
            f"scale {scale.scale!r}: resources.train.nodes",
            found=f"{job.nodes} nodes for the {parts} parts of a batch",
            expected="a number of nodes that divides the number of parts",
            fix="correct 'nodes', or 'parts' in 'batch' (docs/decisions/0070)",
        )
    per_node = next(n for n in range(wanted, 0, -1) if parts % (job.nodes * n) == 0)
    return Layout(job.nodes, per_node, parts // (job.nodes * per_node))
