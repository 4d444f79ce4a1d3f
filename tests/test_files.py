import pytest

from gbss.errors import GbssError
from gbss.files import atomic_path, read_json, sha256, write_json


def test_a_failed_write_keeps_what_was_there(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_path(path) as beside:
        beside.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_nan_is_not_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"ap": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ('{"a": [1, 2', "truncated or not JSON"),
        ("\xff", "can't decode byte 0xff"),
        ("[" * 200_000, "recursion depth"),
        (f'{{"a": {"7" * 5000}}}', "5000 digits"),
    ],
)
def test_json_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(GbssError, match=message) as caught:
        read_json(path, what="run record")
    assert str(path) in str(caught.value)


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
