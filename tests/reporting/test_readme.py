import pytest

from gbss.errors import GbssError
from gbss.reporting.readme import update_blocks, update_readme

README = """# gbss
<!-- begin tables/a.md -->
old
<!-- end -->
between
<!-- begin tables/b.md -->
<!-- end -->
after
"""

UPDATED = """# gbss
<!-- begin tables/a.md -->
| new \\1 |
<!-- end -->
between
<!-- begin tables/b.md -->
second
third
<!-- end -->
after
"""

FILES = {"tables/a.md": "| new \\1 |\n", "tables/b.md": "second\nthird\n\n"}


@pytest.fixture
def readme(tmp_path):
    (tmp_path / "tables").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    path = tmp_path / "README.md"
    path.write_text(README)
    return path


def test_replaces_every_block_and_nothing_else() -> None:
    assert update_blocks(README, FILES.__getitem__) == UPDATED
    assert update_blocks(UPDATED, FILES.__getitem__) == UPDATED


def test_names_every_broken_block() -> None:
    text = """a
<!-- end -->
<!-- begin x.md -->
<!-- begin y.md -->
<!-- end -->
<!-- begin z -->
"""
    with pytest.raises(GbssError) as caught:
        update_blocks(text, FILES.__getitem__)
    assert [(fault.where, fault.found) for fault in caught.value.faults] == [
        ("README.md: line 2", "<!-- end -->"),
        ("README.md: line 3", "the block x.md without an end"),
        ("README.md: line 6", "the block z without an end"),
    ]


def test_writes_a_file_and_then_finds_it_up_to_date(readme) -> None:
    update_readme(readme)
    assert readme.read_text() == UPDATED
    update_readme(readme, check=True)


def test_check_names_the_stale_block_and_changes_nothing(readme) -> None:
    update_readme(readme)
    (readme.parent / "tables/b.md").write_text("newer\n")
    with pytest.raises(GbssError, match=r"differ from their files: tables/b\.md\n"):
        update_readme(readme, check=True)
    assert readme.read_text() == UPDATED


def test_a_missing_file_leaves_the_readme_as_it_was(readme) -> None:
    (readme.parent / "tables/b.md").unlink()
    with pytest.raises(GbssError, match=r"block tables/b\.md\n    found:    no such file"):
        update_readme(readme)
    assert readme.read_text() == README
