import hashlib
import random
from types import SimpleNamespace

import pytest

from gbss.data import download as module
from gbss.data.download import download
from gbss.data.sources import Archive
from gbss.errors import GbssError

BODY = random.Random(3).randbytes(100_001)
OTHER = random.Random(4).randbytes(100_001)


@pytest.fixture
def archive(site):
    site.files["/zips/a.zip"] = BODY
    return archive_of(site)


def archive_of(site, body=BODY):
    return Archive(
        url=f"{site.url}/zips/a.zip",
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        unpacked=1000,
        parts=(),
    )


def get(archive, folder):
    download(archive, folder / "a.zip", pause=0)
    assert [path.name for path in folder.iterdir()] == ["a.zip"]
    return (folder / "a.zip").read_bytes()


def refused(archive, folder):
    with pytest.raises(GbssError) as caught:
        download(archive, folder / "a.zip", pause=0)
    assert not (folder / "a.zip").exists()
    (fault,) = caught.value.faults
    assert fault.fix
    return fault


def test_a_whole_file_in_one_go(site, archive, tmp_path):
    assert get(archive, tmp_path) == BODY
    assert site.asked == [("/zips/a.zip", None)]


def test_a_broken_download_goes_on_where_it_broke(site, archive, tmp_path, capsys):
    site.answers = [range(30_000), range(40_000), 503, range(0)]
    assert get(archive, tmp_path) == BODY
    assert [wanted for _, wanted in site.asked] == [
        None,
        "bytes=30000-",
        "bytes=70000-",
        "bytes=70000-",
    ]
    said = capsys.readouterr().err
    assert "the server broke off; going on in 0 s" in said
    assert "HTTP 503" in said
    assert "fetching a.zip: 100,001 of 100,001 bytes" in said


def test_a_later_command_goes_on_too(site, archive, tmp_path):
    site.answers = [range(30_000), *[500] * module.ATTEMPTS]
    fault = refused(archive, tmp_path)
    assert fault.where == archive.url
    assert "HTTP 500" in fault.found
    assert "30,000 bytes are here" in fault.found
    assert "100,001 bytes" in fault.expected
    site.asked.clear()
    assert get(archive, tmp_path) == BODY
    assert site.asked == [("/zips/a.zip", "bytes=30000-")]


@pytest.mark.parametrize("tag", ['"one"', None])
def test_a_server_without_ranges_sends_all_of_it_again(site, archive, tmp_path, tag):
    site.ranges, site.tag, site.answers = False, tag, [range(30_000)]
    assert get(archive, tmp_path) == BODY
    assert len(site.asked) == 2


def test_a_server_that_says_no_length(site, archive, tmp_path):
    site.lengths, site.answers = False, [range(30_000)]
    assert get(archive, tmp_path) == BODY


def test_a_file_that_changed_between_two_attempts_is_fetched_anew(site, tmp_path):
    site.files["/zips/a.zip"], site.answers = OTHER, [range(30_000), *[500] * module.ATTEMPTS]
    refused(archive_of(site), tmp_path)
    site.files["/zips/a.zip"], site.tag = BODY, '"two"'
    assert get(archive_of(site), tmp_path) == BODY
    # Asked for the rest of the file with the old tag, and given all of the new one.
    assert [wanted for _, wanted in site.asked[-1:]] == ["bytes=30000-"]


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_also_where_the_server_cannot_tell(site, tmp_path, tag):
    site.tag, site.files["/zips/a.zip"] = tag, OTHER
    site.answers = [range(30_000), *[500] * module.ATTEMPTS]
    refused(archive_of(site), tmp_path)
    site.files["/zips/a.zip"] = BODY
    assert get(archive_of(site), tmp_path) == BODY
    assert [wanted for _, wanted in site.asked[-2:]] == ["bytes=30000-", None]


def test_another_file_of_the_same_size_is_refused_and_not_kept(site, archive, tmp_path):
    site.files["/zips/a.zip"] = OTHER
    fault = refused(archive, tmp_path)
    assert fault.where == archive.url
    assert hashlib.sha256(OTHER).hexdigest() in fault.found
    assert hashlib.sha256(BODY).hexdigest() in fault.expected
    assert "put it into the data root" in fault.fix
    assert len(site.asked) == 1
    site.files["/zips/a.zip"] = BODY
    assert get(archive, tmp_path) == BODY


@pytest.mark.parametrize("size", [99, 100_000, 100_002, 300_000])
def test_a_file_of_another_size_is_refused_at_once(site, archive, tmp_path, size):
    site.files["/zips/a.zip"] = bytes(size)
    fault = refused(archive, tmp_path)
    assert f"{size} bytes" in fault.found
    assert "100001 bytes" in fault.expected
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_size_after_a_break(site, archive, tmp_path):
    site.tag, site.answers = None, [range(30_000)]
    site.answers.append(BODY + b"more")
    assert "100005 bytes" in refused(archive, tmp_path).found


def test_more_than_was_announced_is_refused(site, archive, tmp_path):
    site.lengths, site.files["/zips/a.zip"] = False, BODY * 30
    assert "more than 100001" in refused(archive, tmp_path).found
    assert not list(tmp_path.iterdir())


def test_less_than_announced_is_never_taken_for_whole(site, archive, tmp_path):
    site.lengths, site.ranges, site.files["/zips/a.zip"] = False, False, BODY[:70_000]
    fault = refused(archive, tmp_path)
    assert "the server broke off" in fault.found
    assert "it goes on where this one ended" in fault.fix


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_not_there(site, archive, tmp_path, status):
    site.answers = [status]
    fault = refused(archive, tmp_path)
    assert (fault.where, fault.found[:8]) == (archive.url, f"HTTP {status}")
    assert len(site.asked) == 1


def test_no_server_at_all(archive, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    gone = Archive("http://127.0.0.1:9/a.zip", 5, "0" * 64, 5, ())
    fault = refused(gone, tmp_path)
    assert "refused" in fault.found
    assert "HTTP_PROXY" in fault.fix
    assert "going on in" in capsys.readouterr().err


def test_a_part_that_is_too_long_or_foreign_is_dropped(site, archive, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(bytes(200_000))
    assert get(archive, tmp_path) == BODY
    (tmp_path / "a.zip").unlink()
    (tmp_path / "a.zip.part").write_bytes(OTHER)  # of the right size
    assert get(archive, tmp_path) == BODY


def test_a_range_that_was_not_asked_for(site, archive, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(BODY[:30_000])
    site.answers = [416]
    assert get(archive, tmp_path) == BODY
    assert [wanted for _, wanted in site.asked] == ["bytes=30000-", None]


def test_a_disk_that_is_too_small(archive, tmp_path, monkeypatch):
    free = SimpleNamespace(free=50_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: free)
    fault = refused(archive, tmp_path)
    assert (fault.found, fault.expected[:13]) == ("50,000 bytes free", "101,001 bytes")
