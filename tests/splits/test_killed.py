"""``kill -9`` while a split is written: the next run ends right."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gbss.cli import main
from gbss.data import draw
from gbss.errors import GbssError
from gbss.splits import coco_files
from gbss.splits.build import build_split
from gbss.splits.files import CHECKSUMS, LISTS, render_lists, write_lists
from gbss.splits.verify import verify_split

KILLED = """
import os, pathlib, signal, sys
from gbss import files
from gbss.splits.files import write_lists

moment = int(sys.argv[2])
passed = 0

def die_at(function):
    def dying(*arguments):
        global passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return dying

def half(self, text, **options):
    with self.open("w") as stream:
        stream.write(text[: len(text) // 2])
        stream.flush()
        between()
        stream.write(text[len(text) // 2 :])

between = die_at(lambda: None)
pathlib.Path.write_text = half
pathlib.Path.replace = die_at(pathlib.Path.replace)
source, lists = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[3])
write_lists({name: (source / name).read_text() for name in sys.argv[4:]}, lists)
"""
NAMES = (*LISTS, CHECKSUMS)
MOMENTS = range(1, 2 * len(NAMES) + 1)
"""Each file in the middle of its text, and complete but not yet renamed."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_partial_split_is_taken_for_a_whole_one(annotations, recipe, tmp_path, moment):
    texts = render_lists(build_split(annotations, recipe), annotations)
    assert tuple(texts) == NAMES
    source, lists = tmp_path / "source", tmp_path / "lists"
    write_lists(texts, source)
    command = [sys.executable, "-c", KILLED, str(source), str(moment), str(lists), *NAMES]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    # What is there is whole, the checksums come last, and without them it is no split.
    there = [name for name in NAMES if (lists / name).exists()]
    assert there == list(NAMES[: (moment - 1) // 2])
    assert all((lists / name).read_text() == texts[name] for name in there)
    with pytest.raises(GbssError, match="no such file"):
        verify_split(annotations, recipe, lists)
    write_lists(render_lists(build_split(annotations, recipe), annotations), lists)
    assert all((lists / name).read_text() == texts[name] for name in NAMES)
    verify_split(annotations, recipe, lists)


def written(folder):
    """Everything in its place, as relative path → content; files written beside have a dot."""
    files = (path for name in ("splits", "build/splits") for path in (folder / name).rglob("*"))
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.is_file() and not path.name.startswith(".")
    }


def killed_split(moment):
    """Splits in a process of its own, which kills itself at a moment.

    Moments are: before each part of a file's entries, before a file's bytes are on the disk, and
    before a whole file gets its name.

    Returns:
        How many moments there were if it got to its end; -1 if it was killed.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return -1 if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    passed = 0

    def die_before(function):
        def dying(*arguments):
            nonlocal passed
            passed += 1
            if passed == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return dying

    coco_files._images = die_before(coco_files._images)
    coco_files._boxes = die_before(coco_files._boxes)
    os.fsync = die_before(os.fsync)
    Path.replace = die_before(Path.replace)
    failed = main(["split", "mini-coco"])
    os._exit(0 if failed else passed)


def test_a_split_killed_at_any_moment_is_made_whole_by_the_next(
    tmp_path, monkeypatch, tiny_task, capfd
):
    monkeypatch.setattr("gbss.tasks.get", lambda name: tiny_task)
    monkeypatch.setattr(coco_files, "ROWS", 40)
    draw(tiny_task.drawing, tmp_path / "data", progress=False)

    def start(name):
        folder = tmp_path / name
        (folder / "build/data").mkdir(parents=True)
        (folder / "build/data/mini-coco").symlink_to(tmp_path / "data")
        monkeypatch.chdir(folder)
        return folder

    folder = start("whole")
    moments = killed_split(0)
    whole = written(folder)
    assert len(whole) == len(NAMES) + 4
    # Five lists and four annotation files, each synced and renamed; entries in parts.
    assert 2 * 9 + 2 * 4 <= moments < 200
    ends = []
    for moment in range(1, moments + 1):
        folder = start(str(moment))
        ends.append(killed_split(moment))
        left = written(folder)
        assert left.items() <= whole.items()
        assert len(left) < len(whole)
        assert main(["split", "mini-coco"]) == 0
        assert written(folder) == whole
    assert ends == [-1] * moments
    assert main(["verify", "mini-coco"]) == 0
