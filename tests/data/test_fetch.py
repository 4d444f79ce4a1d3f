import hashlib
import io
import json
import random
import re
import signal
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace

import pytest

from gbss.data.fetch import fetch
from gbss.data.sources import Archive, Part
from gbss.errors import GbssError

IMAGES = {f"train/{number:04d}.jpg": bytes([number]) * (300 + number) for number in (9, 25, 30)}
NOTES = {f"notes/{name}.json": json.dumps({"name": name * 400}).encode() for name in ("a", "b")}
WHOLE = IMAGES | {name.replace("notes", "annotations"): body for name, body in NOTES.items()}


def packed(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.comment = random.Random(1).randbytes(3000)
        for name, body in content.items():
            archive.writestr(name, body)
    return stream.getvalue()


@pytest.fixture
def sources(site):
    """An archive of images, and one with two annotation files and others."""
    files = {
        "train.zip": (IMAGES, [Part("train", "train/", images=3)]),
        "notes.zip": (
            NOTES | {"notes/captions.json": b"{}"},
            [Part(f"annotations/{name}.json", f"notes/{name}.json") for name in ("a", "b")],
        ),
    }
    result = []
    for name, (content, parts) in files.items():
        body = packed(content)
        site.files[f"/{name}"] = body
        digest = hashlib.sha256(body).hexdigest()
        result.append(Archive(f"{site.url}/{name}", len(body), digest, 10_000, tuple(parts)))
    return result


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def run(sources, root):
    fetch(sources, root, report=root.parent / "missing.txt", pause=0)


def listing(root):
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_everything_is_fetched_and_nothing_is_left_over(site, sources, root):
    run(sources, root)
    assert listing(root) == WHOLE | {".fetch/lock": b""}
    assert [path for path, _ in site.asked] == ["/train.zip", "/notes.zip"]


def test_nothing_is_fetched_or_written_when_the_data_are_there(site, sources, root):
    run(sources, root)
    site.asked.clear()
    (root / ".fetch/lock").unlink()
    (root / ".fetch").rmdir()
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    run(sources, root)
    assert site.asked == []
    assert before == {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}


def test_a_folder_that_is_there_is_taken_in_place(site, sources, root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for number in range(3):
        (elsewhere / f"mine{number}.jpg").write_bytes(b"mine")
    root.mkdir()
    (root / "train").symlink_to(elsewhere)
    (root / "annotations").mkdir()
    (root / "annotations/b.json").write_text('{"mine": 1}\n')
    run(sources, root)
    assert [path for path, _ in site.asked] == ["/notes.zip"]
    assert len(list(elsewhere.iterdir())) == 3
    assert (root / "annotations/b.json").read_text() == '{"mine": 1}\n'
    assert (root / "annotations/a.json").read_bytes() == NOTES["notes/a.json"]


def test_what_is_there_but_not_whole_is_named_and_left_alone(site, sources, root):
    (root / "train").mkdir(parents=True)
    (root / "train/0009.jpg").write_bytes(b"x")
    (root / "annotations").mkdir()
    (root / "annotations/a.json").write_text('{"images": [')
    (root / "annotations/b.json").symlink_to("nowhere.json")
    before = sorted(root.rglob("*"))
    with pytest.raises(GbssError) as caught:
        run(sources, root)
    faults = {fault.where: fault for fault in caught.value.faults}
    images = faults[str(root / "train")]
    assert (images.found, images.expected) == ("1 images", "a folder with 3 images")
    assert f"move {root / 'train'} away" in images.fix
    assert "cut off" in faults[str(root / "annotations/a.json")].found
    assert "a link to nowhere.json" in faults[str(root / "annotations/b.json")].found
    assert site.asked == []
    assert before == sorted(root.rglob("*"))


def test_a_file_where_a_folder_belongs(sources, root):
    root.mkdir()
    (root / "train").write_text("")
    with pytest.raises(GbssError, match="no folder"):
        run(sources, root)


def test_an_archive_in_the_root_is_used_and_kept(site, sources, root):
    root.mkdir()
    (root / "train.zip").write_bytes(site.files["/train.zip"])
    run(sources, root)
    assert [path for path, _ in site.asked] == ["/notes.zip"]
    assert (root / "train.zip").exists()
    assert (root / "train/0025.jpg").read_bytes() == IMAGES["train/0025.jpg"]


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_archive_in_the_root_is_named(site, sources, root, damage):
    root.mkdir()
    body = site.files["/train.zip"]
    (root / "train.zip").write_bytes(body[:-7] if damage == "cut" else body[:-7] + b"changed")
    with pytest.raises(GbssError) as caught:
        run(sources, root)
    (fault,) = caught.value.faults
    assert fault.where == str(root / "train.zip")
    assert fault.found.startswith(f"{len(body) - 7:,} bytes" if damage == "cut" else "SHA-256 ")
    assert sources[0].sha256 in fault.expected
    assert not (root / "train").exists()


def test_an_archive_with_an_evil_member_leaves_nothing(site, sources, root):
    body = packed(IMAGES | {"../evil.jpg": b"evil"})
    site.files["/train.zip"] = body
    evil = replace(sources[0], size=len(body), sha256=hashlib.sha256(body).hexdigest())
    with pytest.raises(GbssError, match="leaves its folder"):
        run([evil], root)
    assert not (root / "train").exists()
    assert not (root.parent / "evil.jpg").exists()


def test_two_at_once_fetch_it_once(site, sources, root):
    threads = [threading.Thread(target=run, args=(sources, root)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path for path, _ in site.asked) == ["/notes.zip", "/train.zip"]
    assert listing(root) == WHOLE | {".fetch/lock": b""}


def test_an_archive_that_a_killed_process_left_is_removed(sources, root):
    run(sources, root)
    (root / ".fetch/train.zip").write_bytes(b"left")
    run(sources, root)
    assert not (root / ".fetch/train.zip").exists()


# Runs a fetch and kills itself, as `kill -9` does, at a given line of the code; prints how many
# lines there are if it gets to the end.
KILLED = """
import os, signal, sys
from pathlib import Path
from gbss.data import archives, download, fetch
from gbss.data.sources import Archive, Part

kill_at, root, sources = int(sys.argv[1]), Path(sys.argv[2]), eval(sys.argv[3])
archives.CHUNK = download.CHUNK = 256
files = {module.__file__ for module in (archives, download, fetch)}
lines = 0

def trace(frame, event, argument):
    global lines
    if frame.f_code.co_filename not in files:
        return None
    lines += event == "line"
    if lines == kill_at and event == "line":
        os.kill(os.getpid(), signal.SIGKILL)
    return trace

sys.settrace(trace)
fetch.fetch(sources, root, report=root.parent / "missing.txt")
sys.settrace(None)
print(lines)
"""


def killed(repository, kill_at, root, sources):
    command = [sys.executable, "-c", KILLED, str(kill_at), str(root), repr(sources)]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True)


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_nothing_that_passes_for_whole(repository, sources, tmp_path):
    lines = int(killed(repository, 0, tmp_path / "0/data", sources).stdout)
    moments = [round(lines * number / 13) for number in range(1, 13)]
    for moment in moments:
        root = tmp_path / str(moment) / "data"
        done = killed(repository, moment, root, sources)
        assert done.returncode == -signal.SIGKILL, done.stderr
        # What is in place is whole ...
        found = listing(root).items()
        in_place = {name: body for name, body in found if not re.search(r"(^|/)\.", name)}
        assert in_place.items() <= WHOLE.items()
        assert len([name for name in in_place if name.startswith("train/")]) in (0, 3)
        # ... and the next run ends right, with nothing left over.
        run(sources, root)
        assert listing(root) == WHOLE | {".fetch/lock": b""}


@pytest.mark.slow
def test_killed_again_and_again(repository, sources, tmp_path):
    lines = int(killed(repository, 0, tmp_path / "0/data", sources).stdout)
    root = tmp_path / "data"
    ends = [
        killed(repository, lines * number // 11, root, sources).returncode
        for number in range(1, 11)
    ]
    assert ends.count(-signal.SIGKILL) >= 5
    run(sources, root)
    assert listing(root) == WHOLE | {".fetch/lock": b""}


def test_progress_in_a_log_is_plain_lines(sources, root, capsys):
    run(sources[:1], root)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("fetching train.zip: ")
    assert said[-1] == "unpacking train.zip: 964 of 964 bytes"
    assert all("\r" not in line for line in said)
