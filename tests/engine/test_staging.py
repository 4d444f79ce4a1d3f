import json
import shutil
from types import SimpleNamespace

import pytest

from gbss.engine import staging
from gbss.engine.staging import STAGE, staged


@pytest.fixture
def originals(tmp_path):
    """Three images, two of them named by an annotation file."""
    images = tmp_path / "network/train"
    (images / "part").mkdir(parents=True)
    for name, size in (("a.png", 11), ("part/b.png", 23), ("c.png", 5)):
        (images / name).write_bytes(b"x" * size)
    annotations = tmp_path / "network/labeled.json"
    content = {"images": [{"file_name": "a.png"}, {"file_name": "part/b.png"}]}
    annotations.write_text(json.dumps(content))
    return images, annotations


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setenv(STAGE, str(tmp_path / "local"))
    return tmp_path / "local"


def test_nothing_is_copied_unless_asked(originals, monkeypatch):
    monkeypatch.delenv(STAGE, raising=False)
    images, annotations = originals
    assert staged(images, annotations) == (images, annotations)


def test_what_annotations_name_is_copied_once(originals, stage, monkeypatch):
    images, annotations = staged(*originals)
    assert images.is_relative_to(stage)
    assert (images / "part/b.png").read_bytes() == b"x" * 23
    assert not (images / "c.png").exists()
    assert annotations.read_bytes() == originals[1].read_bytes()
    monkeypatch.setattr(staging, "_copy", None)
    assert staged(*originals) == (images, annotations)


def test_what_is_missing_or_damaged_is_copied_again_and_the_rest_stays(originals, stage):
    images, annotations = staged(*originals)
    (images / "a.png").write_bytes(b"shorter")
    annotations.unlink()
    kept = images / "part/b.png"
    before = kept.stat()
    # Without the list nobody knows what is whole; another job may be reading all the same.
    listed = images.parent / "staged.json"
    for damage in (listed.exists, lambda: listed.write_text("{"), listed.unlink):
        damage()
        assert staged(*originals) == (images, annotations)
        assert (images / "a.png").read_bytes() == b"x" * 11
        assert annotations.read_bytes() == originals[1].read_bytes()
        assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert listed.is_file()


def test_the_disk_of_a_job_is_named_by_a_variable(originals, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STAGE, "$SCRATCH_OF_JOB/data")
    monkeypatch.setenv("SCRATCH_OF_JOB", str(tmp_path / "job-17"))
    assert staged(*originals)[0].is_relative_to(tmp_path / "job-17/data")
    monkeypatch.delenv("SCRATCH_OF_JOB")
    assert staged(*originals) == originals
    assert "GBSS_STAGE is $SCRATCH_OF_JOB/data, no full path" in capsys.readouterr().err
    assert not (tmp_path / "$SCRATCH_OF_JOB").exists()


def test_other_annotations_and_other_places_are_other_copies(originals, stage, tmp_path):
    images, annotations = originals
    first, _ = staged(images, annotations)
    moved = tmp_path / "elsewhere/train"
    shutil.copytree(images, moved)
    (moved / "a.png").write_bytes(b"y" * 11)
    assert (staged(moved, annotations)[0] / "a.png").read_bytes() == b"y" * 11
    annotations.write_text(json.dumps({"images": [{"file_name": "c.png"}]}))
    second, _ = staged(images, annotations)
    assert second != first
    assert (second / "c.png").exists()


def test_without_space_or_with_a_missing_image_the_originals_are_read(
    originals, stage, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        patch.setattr(staging.shutil, "disk_usage", lambda _: SimpleNamespace(free=20))
        assert staged(*originals) == originals
    assert "is not staged" in capsys.readouterr().err
    (originals[0] / "a.png").unlink()
    assert staged(*originals) == originals
    assert [path.name for path in stage.iterdir() if not path.name.endswith(".lock")] == []
