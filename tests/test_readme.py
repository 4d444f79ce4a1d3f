import re

from gbss.reporting.readme import update_readme


def test_the_tables_in_the_readme_are_the_published_ones(repository):
    update_readme(repository / "README.md", check=True)
    text = (repository / "README.md").read_text()
    assert text.count("<!-- begin results/tables/demo/headline.md -->") == 1
    assert not re.search("@[A-Z]+@", text)


def test_commands_in_the_readme_exist(repository):
    text = (repository / "README.md").read_text()
    targets = (repository / "Makefile").read_text()
    for name in ("demo", "test", "smoke", "check"):
        assert f"make {name}" in text
        assert f"\n{name}: " in targets
