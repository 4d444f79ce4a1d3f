import io
import struct
import zipfile
import zlib
from types import SimpleNamespace

import pytest

from gbss.data.archives import unpack
from gbss.data.sources import Part
from gbss.errors import GbssError

IMAGES = Part("train", "train/", images=3)
NOTES = Part("annotations/train.json", "notes/train.json")
CONTENT = {
    "train/": b"",
    "train/000009.jpg": b"nine" * 500,
    "train/000025.jpg": b"twenty-five" * 70,
    "train/000030.JPG": b"thirty" * 90,
    "notes/train.json": b'{"images": []}',
    "notes/captions.json": b"{}",
}


def zipped(path, content=None, change=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in (content or CONTENT).items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(info)
            archive.writestr(info, body)
    return path


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    return path


def listing(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() or path.is_symlink()
    }


def refused(path, root, parts=(IMAGES, NOTES), limit=10_000):
    """Unpacking must fail and leave nothing, here or anywhere near."""
    around = {each for each in root.parent.rglob("*") if root not in each.parents}
    with pytest.raises(GbssError) as caught:
        unpack(path, parts, root, limit=limit)
    assert listing(root) == {}
    assert {each for each in root.parent.rglob("*") if root not in each.parents} == around
    for fault in caught.value.faults:
        assert str(path) in fault.where or fault.where == str(root)
        assert fault.expected
        assert fault.fix
    return str(caught.value)


def test_parts_go_to_their_places_and_the_rest_stays_packed(root, tmp_path, capsys):
    unpack(zipped(tmp_path / "a.zip"), [IMAGES, NOTES], root, limit=10_000)
    assert listing(root) == {
        "train/000009.jpg": CONTENT["train/000009.jpg"],
        "train/000025.jpg": CONTENT["train/000025.jpg"],
        "train/000030.JPG": CONTENT["train/000030.JPG"],
        "annotations/train.json": CONTENT["notes/train.json"],
    }
    assert "unpacking a.zip: 3,324 of 3,324 bytes" in capsys.readouterr().err


def test_what_an_earlier_attempt_left_beside_is_replaced(root, tmp_path):
    stage = root / ".train.unpacking"
    stage.mkdir()
    (stage / "000031.jpg").write_bytes(b"old")
    unpack(zipped(tmp_path / "a.zip"), [IMAGES], root, limit=10_000)
    assert len(listing(root)) == 3


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/etc/cron.d/evil", "an absolute path"),
        ("//host/share", "an absolute path"),
        ("../evil.jpg", "leaves its folder"),
        ("train/../../evil.jpg", "leaves its folder"),
        ("train/..", "leaves its folder"),
        ("train/./a.jpg", "leaves its folder"),
        ("train//a.jpg", "empty part"),
        ("..\\evil.jpg", "a backslash"),
        ("train\\a.jpg", "a backslash"),
        ("C:/evil.jpg", "a drive letter"),
        ("c:evil.jpg", "a drive letter"),
        ("train/a\n.jpg", "a control character"),
    ],
)
def test_names_that_leave_their_folder(root, tmp_path, name, found):
    said = refused(zipped(tmp_path / "a.zip", CONTENT | {name: b"evil"}), root)
    assert found in said
    assert repr(name) in said


def test_a_name_with_a_zero_byte(root, tmp_path):
    path = zipped(tmp_path / "a.zip", CONTENT | {"train/a.jpgX../b": b"evil"})
    path.write_bytes(path.read_bytes().replace(b"train/a.jpgX", b"train/a.jpg\0"))
    assert "a control character" in refused(path, root)


def test_every_evil_member_is_named(root, tmp_path):
    evil = {"/a": b"", "../b": b"", "c\\d": b""}
    said = refused(zipped(tmp_path / "a.zip", evil | CONTENT), root)
    assert said.count("found:") == 3


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010644, 0o140644])
def test_links_devices_and_pipes(root, tmp_path, mode):
    def change(info):
        info.create_system = 3
        if info.filename == "train/000025.jpg":
            info.external_attr = mode << 16

    said = refused(zipped(tmp_path / "a.zip", change=change), root)
    assert "'train/000025.jpg'" in said
    assert "a link, device or pipe" in said


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(root, tmp_path):
    path = zipped(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train/000009.jpg", b"another")
    assert "the same name twice" in refused(path, root)


def test_a_file_that_is_also_a_folder(root, tmp_path):
    content = CONTENT | {"train/000009.jpg/evil.jpg": b"evil"}
    assert "is a file as well" in refused(zipped(tmp_path / "a.zip", content), root)


def test_an_encrypted_member(root, tmp_path):
    path = zipped(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert "an encrypted member" in refused(path, root)


def test_a_bomb_is_not_even_begun(root, tmp_path):
    content = CONTENT | {"train/000030.JPG": bytes(5_000_000)}
    path = zipped(tmp_path / "a.zip", content)
    assert path.stat().st_size < 10_000
    said = refused(path, root)
    assert "5,002,784 bytes" in said
    assert "at most 10,000 bytes" in said


def test_a_bomb_that_lies_about_its_size(root, tmp_path):
    path = zipped(tmp_path / "a.zip", CONTENT | {"train/000030.JPG": bytes(5_000_000)})
    true, stated = struct.pack("<I", 5_000_000), struct.pack("<I", 500)
    path.write_bytes(path.read_bytes().replace(true, stated))
    assert "damaged member" in refused(path, root)


def test_a_disk_that_is_too_small(root, tmp_path, monkeypatch):
    usage = SimpleNamespace(free=100)
    monkeypatch.setattr("gbss.data.archives.shutil.disk_usage", lambda _: usage)
    assert "100 bytes free" in refused(zipped(tmp_path / "a.zip"), root)


@pytest.mark.parametrize("what", ["checksum", "content", "method"])
def test_a_damaged_member(root, tmp_path, what):
    path = zipped(tmp_path / "a.zip")
    data = path.read_bytes()
    if what == "checksum":
        crc = struct.pack("<I", zlib.crc32(CONTENT["train/000025.jpg"]))
        assert data.count(crc) == 2
        data = data.replace(crc, b"\1\2\3\4")
    elif what == "content":
        at = data.index(b"train/000025.jpg") + len("train/000025.jpg")
        data = data[:at] + b"\xff" * 8 + data[at + 8 :]
    else:
        at = data.index(b"PK\1\2", data.index(b"PK\1\2") + 99)
        data = data[: at + 10] + struct.pack("<H", 99) + data[at + 12 :]
    path.write_bytes(data)
    said = refused(path, root)
    assert "a damaged member" in said
    assert "'train/0000" in said


@pytest.mark.parametrize("size", [0, 10, 400, -1])
def test_a_cut_off_archive(root, tmp_path, size):
    path = zipped(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes()[:size])
    assert "expected: a zip archive" in refused(path, root)


def test_no_archive_at_all(root, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"<html>please log in</html>" * 50)
    assert "not a zip file" in refused(path, root)


@pytest.mark.parametrize("gone", ["train/000025.jpg", "notes/train.json"])
def test_a_member_that_is_missing(root, tmp_path, gone):
    content = {name: body for name, body in CONTENT.items() if name != gone}
    said = refused(zipped(tmp_path / "a.zip", content), root)
    assert ("2 images" if gone.endswith("jpg") else "no such member") in said


def test_overlapping_members(root, tmp_path):
    # Two entries of the directory that share one body: the trick of the densest bombs.
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("train/a.jpg", "train/b.jpg", "train/c.jpg"):
            archive.writestr(name, bytes(1000))
        offset = archive.getinfo("train/a.jpg").header_offset
        for info in archive.infolist():
            info.header_offset = offset
    path = tmp_path / "a.zip"
    path.write_bytes(stream.getvalue())
    assert "a damaged member" in refused(path, root, [IMAGES])
