import json
import os
import subprocess
import sys

import pytest

from gbss import locks
from gbss.errors import GbssError
from gbss.locks import OWNER, locked


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def leave_owner(folder, **changes):
    """What a holder on another machine left behind."""
    owner = {"host": "node7", "pid": 4321, "started": "99", "job": "17"} | changes
    folder.mkdir(exist_ok=True)
    (folder / OWNER).write_text(json.dumps(owner))


def test_a_second_process_is_kept_out_and_told_whom_to_wait_for(tmp_path):
    message = f"another process is training in this folder: process {os.getpid()} on "
    second = locked(tmp_path, "training", patience=0.3)
    with locked(tmp_path, "training"), pytest.raises(GbssError, match=message), second:
        pass
    with locked(tmp_path, "training", patience=0.3):
        pass
    assert not (tmp_path / OWNER).exists()


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    script = (
        "import os, signal, sys, pathlib\nfrom gbss.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 'training'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert (tmp_path / OWNER).exists()
    with locked(tmp_path, "training", patience=0.3):
        assert json.loads((tmp_path / OWNER).read_text())["pid"] == os.getpid()


def test_a_holder_on_another_machine_counts_while_it_gives_signs_of_life(tmp_path):
    leave_owner(tmp_path)
    with (
        pytest.raises(GbssError, match="process 4321 on node7, Slurm job 17"),
        locked(tmp_path, "training", patience=0.3),
    ):
        pass
    old = (tmp_path / OWNER).stat().st_mtime - locks.SILENCE - 1
    os.utime(tmp_path / OWNER, (old, old))
    with locked(tmp_path, "training", patience=0.3):
        pass


def test_a_job_that_was_moved_to_another_machine_takes_its_own_lock(tmp_path, monkeypatch):
    leave_owner(tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with locked(tmp_path, "training", patience=0.3):
        pass


def test_without_locks_of_the_system_the_file_keeps_others_out(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(locks.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    second = locked(tmp_path, "training", patience=0.3)
    with locked(tmp_path, "training"), pytest.raises(GbssError, match="another process"), second:
        pass


def test_a_holder_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "SIGN_OF_LIFE", 0.05)
    with locked(tmp_path, "training"):
        os.utime(tmp_path / OWNER, (0, 0))
        for _ in range(100):
            if (tmp_path / OWNER).stat().st_mtime > 0:
                break
            locks.time.sleep(0.05)
        assert (tmp_path / OWNER).stat().st_mtime > 0
