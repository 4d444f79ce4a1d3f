"""``kill -9`` while the lists of a split are written: the next run ends right."""

import signal
import subprocess
import sys

import pytest

from gbss.errors import GbssError
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
