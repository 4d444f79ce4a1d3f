"""Starting the processes of a training: one, several on this machine, or on several machines."""

from __future__ import annotations

import fcntl
import importlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import torch

from gbss.errors import TRY_AGAIN, fail
from gbss.scales import Scale
from gbss.scales.layout import Layout, layout

RENDEZVOUS = "GBSS_RENDEZVOUS"
"""Set on every node of a training: where its processes meet."""

GRACE = 60
"""Seconds that torchrun gives its processes for a checkpoint before it kills them."""

SIGNALS = "SIGTERM,SIGINT,SIGUSR1"


def launch(scale: Scale, gpus: int | None, arguments: Sequence[str]) -> None:
    """Starts a training's other processes and ends with them; returns where one is to train.

    Args:
        scale: What one job of the training asks for.
        gpus: On all nodes together, if not those of the scale.
        arguments: Of the ``gbss`` command that every process runs.

    Raises:
        GbssError: The machine is not what the scale asks for.
        SystemExit: Several processes trained; with their status.
    """
    if "RANK" in os.environ:
        return
    job = scale.resources["train"]
    asked = job.gpus if gpus is None else gpus
    plan = layout(scale, gpus, _devices() if asked else 0)
    if RENDEZVOUS not in os.environ:
        _tell(scale, plan)
        if plan.nodes > 1:
            _over_nodes(plan, job.threads, asked // job.nodes, arguments)
        if asked:
            claim_gpus(plan.per_node)
    if plan.processes > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, job.threads // plan.per_node)))
        raise SystemExit(_torchrun(plan, arguments))


def claim_gpus(count: int) -> None:
    """Makes so many GPUs visible that no other process of this user on this machine has claimed.

    The claim is a lock on a file, so it ends with the process. Every Slurm job, and every step
    that ``srun`` starts in it, numbers its GPUs anew, and may be one in which a workflow runs
    several trainings.
    """
    if not count or not (devices := _devices()):
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(devices)]
    numbers = (os.environ.get(name) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    owner = "-".join([str(os.getuid()), *filter(None, numbers)])
    folder = Path(tempfile.gettempdir()) / f"gbss-gpus-{owner}"
    folder.mkdir(exist_ok=True)
    free: dict[str, IO[str]] = {}
    told = False
    while len(free) < min(count, len(names)):
        for name in names:
            if (
                name not in free
                and len(free) < count
                and (stream := _try_lock(folder / name.replace("/", "_")))
            ):
                free[name] = stream
        if len(free) < min(count, len(names)):
            if not told:
                print(f"waiting for {count} of {len(names)} GPUs", file=sys.stderr, flush=True)
                told = True
            # All or none: two that wait for each other's would wait for ever.
            while free:
                free.popitem()[1].close()
            time.sleep(2)
    _claims.extend(free.values())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(free)


_claims: list[IO[str]] = []
"""Open, hence locked, as long as this process lives."""


def _try_lock(path: Path) -> IO[str] | None:
    stream = path.open("w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return None
    return stream


def _devices() -> int:
    """GPUs that are visible; 0 with a torch that has no CUDA.

    Raises:
        OSError: torch has CUDA and sees no GPU: days on a CPU are not what was asked for.
        GbssError: mmcv's operators have no code for GPUs.
    """
    if torch.version.cuda is None:
        return 0
    if not (count := torch.cuda.device_count()):
        raise OSError(f"no GPU is visible on {socket.gethostname()}: look at `nvidia-smi`")
    operators = importlib.import_module("mmcv._ext")
    if (found := operators.get_compiling_cuda_version()) == "not available":
        raise fail(
            "mmcv",
            found=f"operators compiled without CUDA ({found})",
            expected=f"operators compiled with the toolkit of CUDA {torch.version.cuda}",
            fix="load that toolkit, remove the environment, `make setup` again (docs/cluster.md)",
        )
    return count


def _tell(scale: Scale, plan: Layout) -> None:
    batch = scale.batch
    if batch.parts > 1:
        text = (
            f"a batch of {batch.parts} x ({batch.labeled} labeled + {batch.unlabeled} unlabeled) "
            f"images, {plan.parts} of {batch.parts} parts on each of "
            f"{plan.processes} processes; learning rate {scale.optimizer.learning_rate:g} for all"
        )
        print(text, file=sys.stderr, flush=True)


def _over_nodes(plan: Layout, threads: int, gpus: int, arguments: Sequence[str]) -> None:
    """Becomes an ``srun`` that runs the same command once on every node of the Slurm job."""
    number = os.environ.get("SLURM_JOB_ID")
    if number is None:
        raise fail(
            "resources.train.nodes",
            found=f"{plan.nodes} nodes, and no Slurm job",
            expected="several nodes within a Slurm job only",
            fix="set 'nodes' to 1, or start with --profile slurm",
        )
    # Jobs that share their first node must not meet each other.
    port = 20000 + int(number) % 20000
    os.environ[RENDEZVOUS] = f"{socket.gethostname()}:{port}"
    step = [f"--nodes={plan.nodes}", f"--ntasks={plan.nodes}", "--ntasks-per-node=1"]
    step += [f"--cpus-per-task={threads}", "--kill-on-bad-exit=1"]
    if gpus:
        step.append(f"--gpus-per-node={gpus}")
    os.execvp("srun", ["srun", *step, sys.executable, "-m", "gbss", *arguments])


def _torchrun(plan: Layout, arguments: Sequence[str]) -> int:
    """Runs ``torchrun`` in this process; returns what the command ends with."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    options = [f"--nnodes={plan.nodes}", f"--nproc-per-node={plan.per_node}"]
    options += [f"--shutdown-timeout={GRACE}", f"--signals-to-handle={SIGNALS}"]
    if meeting := os.environ.get(RENDEZVOUS):
        options += ["--rdzv-backend=c10d", f"--rdzv-endpoint={meeting}"]
        options += [f"--rdzv-id={os.environ['SLURM_JOB_ID']}"]
    else:
        options.append("--standalone")
    try:
        run(parse_args([*options, "-m", "gbss", *arguments]))
    except SignalException as error:
        return 130 if error.sigval.name == "SIGINT" else TRY_AGAIN
    except ChildFailedError as error:
        found = {failure.exitcode for failure in error.failures.values()}
        return next((status for status in (TRY_AGAIN, 130) if status in found), 1)
    return 0
