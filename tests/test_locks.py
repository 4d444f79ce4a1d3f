import json
import os
import subprocess
import sys

import pytest

from gbss import locks
from gbss.errors import GbssError
from gbss.locks import OWNERS, locked


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def leave_owner(folder, **changes):
    """What a holder on another machine left behind."""
    owner = {"host": "node7", "pid": 4321, "started": "99", "job": "17"} | changes
    folder.mkdir(exist_ok=True)
    path = folder / ".owner.node7.4321.99.json"
    path.write_text(json.dumps(owner))
    return path


def owners(folder):
    return [json.loads(path.read_text()) for path in folder.glob(OWNERS)]


def unsupported(*_):
    raise OSError(locks.errno.ENOLCK, "No locks available")


def test_a_second_process_is_kept_out_and_told_whom_to_wait_for(tmp_path):
    message = f"another process is training in this folder: process {os.getpid()} on "
    second = locked(tmp_path, "training", patience=0.3)
    with locked(tmp_path, "training"), pytest.raises(GbssError, match=message), second:
        pass
    with locked(tmp_path, "training", patience=0.3):
        pass
    assert owners(tmp_path) == []


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    script = (
        "import os, signal, sys, pathlib\nfrom gbss.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 'training'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert len(owners(tmp_path)) == 1
    with locked(tmp_path, "training", patience=0.3):
        assert [owner["pid"] for owner in owners(tmp_path)] == [os.getpid()]


def test_a_holder_on_another_machine_counts_while_it_gives_signs_of_life(tmp_path):
    path = leave_owner(tmp_path)
    with (
        pytest.raises(GbssError, match="process 4321 on node7, Slurm job 17"),
        locked(tmp_path, "training", patience=0.3),
    ):
        pass
    old = path.stat().st_mtime - locks.SILENCE - 1
    os.utime(path, (old, old))
    with locked(tmp_path, "training", patience=0.3):
        pass


def test_a_job_that_was_moved_to_another_machine_takes_its_own_lock(tmp_path, monkeypatch):
    leave_owner(tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with locked(tmp_path, "training", patience=0.3):
        pass


def test_without_locks_of_the_system_the_file_keeps_others_out(tmp_path, monkeypatch):
    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    second = locked(tmp_path, "training", patience=0.3)
    with locked(tmp_path, "training"), pytest.raises(GbssError, match="another process"), second:
        pass


def test_a_holder_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "SIGN_OF_LIFE", 0.05)
    with locked(tmp_path, "training"):
        (path,) = tmp_path.glob(OWNERS)
        os.utime(path, (0, 0))
        for _ in range(100):
            if path.stat().st_mtime > 0:
                break
            locks.time.sleep(0.05)
        assert path.stat().st_mtime > 0


OTHER = """
import pathlib, sys
from gbss import locks
def unsupported(*_):
    raise OSError(locks.errno.ENOLCK, "No locks available")
locks.fcntl.flock = unsupported
with locks.locked(pathlib.Path(sys.argv[1]), "training"):
    print("has it", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def another(tmp_path):
    """Lets another process take the lock."""
    started = []

    def start():
        command = [sys.executable, "-c", OTHER, str(tmp_path)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.communicate()


def test_one_that_is_slow_to_remove_a_dead_holder_does_not_remove_the_next(
    tmp_path, monkeypatch, another
):
    dead = leave_owner(tmp_path, host=locks.socket.gethostname())
    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    original, found = locks._is_alive, []

    def slow(owner, *arguments):
        alive = original(owner, *arguments)
        if not found:
            assert not alive
            found.append(another())
            assert found[0].stdout.readline() == "has it\n"
        return alive

    monkeypatch.setattr(locks, "_is_alive", slow)
    with (
        pytest.raises(GbssError, match="another process") as caught,
        locked(tmp_path, "training", patience=0.3),
    ):
        pass
    assert f"process {found[0].pid} on" in str(caught.value)
    assert not dead.exists()
    assert [owner["pid"] for owner in owners(tmp_path)] == [found[0].pid]


def test_of_two_that_claim_at_once_one_steps_back(tmp_path, monkeypatch, another):
    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    original, found = locks.write_json, []

    def slow(path, value):
        if not found:
            found.append(another())
            assert found[0].stdout.readline() == "has it\n"
        original(path, value)

    monkeypatch.setattr(locks, "write_json", slow)
    second = locked(tmp_path, "training", patience=0.3)
    with pytest.raises(GbssError, match="another process is training"), second:
        pass
    assert [owner["pid"] for owner in owners(tmp_path)] == [found[0].pid]
