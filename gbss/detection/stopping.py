"""Being asked to stop: by a signal to any of the processes, all of them at the same iteration."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Self

import torch
import torch.distributed as dist

from gbss.errors import TRY_AGAIN

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
"""What Slurm sends to end a job or to warn of that, and Ctrl-C."""


class StopRequest:
    """Takes note of signals inside a ``with`` block; training asks after each iteration.

    A second Ctrl-C stops at once, but not under torchrun: that repeats the first one.
    """

    def __init__(self) -> None:
        self.number = 0
        self._since = 0.0
        self._before: dict[int, Any] = {}
        self._process = os.getpid()
        self._group: Any = None

    def __enter__(self) -> Self:
        self.number, self._process = 0, os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before, self._group = {}, None

    @property
    def status(self) -> int:
        """Exit status after this stop."""
        return 128 + signal.SIGINT if self.number == signal.SIGINT else TRY_AGAIN

    def connect(self) -> None:
        """Prepares `agreed`; call it on all processes at once.

        The processes agree over the CPU, so that no GPU has to wait.
        """
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            self._group = dist.new_group(backend="gloo")

    def agreed(self) -> bool:
        """Whether any process was asked to stop; the same answer on all of them."""
        if self._group is None:
            return self.number != 0
        number = torch.tensor(self.number)
        dist.all_reduce(number, op=dist.ReduceOp.MAX, group=self._group)
        if agreed := int(number):
            self.number = agreed
        # A signal that came meanwhile stays noted, and is agreed on after the next iteration.
        return agreed != 0

    def wait(self) -> None:
        """Waits for the other processes, so that none ends while another one still saves."""
        if self._group is not None:
            dist.barrier(group=self._group)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # Loading processes inherit this handler: they live on, as the iteration needs them.
        if os.getpid() != self._process:
            return
        again = self.number == number == signal.SIGINT and time.monotonic() - self._since > 1
        if again and "RANK" not in os.environ:
            raise KeyboardInterrupt
        if not self.number:
            self.number, self._since = number, time.monotonic()
            if os.environ.get("RANK", "0") == "0":
                # Not `print`: the signal may have come in the middle of one.
                name = signal.Signals(number).name
                _tell(f"{name}: stopping with a checkpoint after this iteration\n")


def _tell(text: str) -> None:
    # Whoever reads it may have been stopped first.
    with suppress(OSError):
        os.write(2, text.encode())


REQUEST = StopRequest()
"""Of this process."""
