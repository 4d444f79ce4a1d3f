import hashlib
from dataclasses import replace

import pytest

from gbss.errors import GbssError
from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.files import CHECKSUMS, LISTS, render_lists, write_lists
from gbss.splits.recipe import Target
from gbss.splits.verify import verify_split


@pytest.fixture
def split(annotations, recipe):
    return build_split(annotations, recipe)


@pytest.fixture
def lists(split, annotations, tmp_path):
    write_lists(render_lists(split, annotations), tmp_path / "lists")
    return tmp_path / "lists"


def seal(lists, annotations):
    """Gives the changed lists fitting checksums, so that only what they say is wrong."""
    paths = [*(lists / name for name in LISTS), annotations.path]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths]
    (lists / CHECKSUMS).write_text("".join(lines))


def faults(annotations, recipe, lists):
    with pytest.raises(GbssError) as caught:
        verify_split(annotations, recipe, lists)
    return caught.value.faults


def edit(path, change):
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


def test_a_sound_split_is_read_back(annotations, recipe, lists, split):
    found = verify_split(annotations, recipe, lists)
    assert found.recipe == recipe
    assert found.base.tolist() == split.base.tolist()
    assert found.few_shot.tolist() == split.few_shot.tolist()
    assert found.unlabeled.tolist() == split.unlabeled.tolist()


def test_other_annotations(annotations, recipe, lists):
    annotations.path.write_text(annotations.path.read_text() + "\n")
    (fault,) = faults(read(annotations.path), recipe, lists)
    assert fault.where == str(annotations.path)
    assert fault.found.startswith("SHA-256 ")
    assert fault.fix == "use the annotation file the split was made of"


def test_missing_files_and_changed_files_at_once(annotations, recipe, lists):
    (lists / "counts.csv").unlink()
    (lists / "recipe.yaml").write_text("share: 0.3\n")
    gone, changed = faults(annotations, recipe, lists)
    assert (gone.where, gone.found) == (str(lists / "counts.csv"), "no such file")
    assert changed.where == str(lists / "recipe.yaml")


def test_an_empty_folder(annotations, recipe, tmp_path):
    found = faults(annotations, recipe, tmp_path / "none")
    assert [fault.where for fault in found] == [
        str(tmp_path / "none" / name) for name in (*LISTS, CHECKSUMS)
    ]


def test_bad_lines_and_a_bad_division_at_once(annotations, recipe, lists, split):
    labeled, unlabeled = lists / "labeled.txt", lists / "unlabeled.txt"
    base, few_shot = int(split.base[0]), int(split.few_shot[0])
    gone, twice = int(split.unlabeled[0]), int(split.unlabeled[2])
    edit(labeled, lambda lines: [*lines, "x17 base", f"{few_shot} few-shot", "9 novel", "6 base"])
    edit(unlabeled, lambda lines: [*lines[1:], str(base), str(twice)])
    seal(lists, annotations)
    rows = len(split.base) + len(split.few_shot)
    pool = len(split.unlabeled)
    assert [(fault.where, fault.found) for fault in faults(annotations, recipe, lists)] == [
        (f"{labeled}: line {rows + 1}", "'x17 base'"),
        (f"{labeled}: line {rows + 2}", f"image {few_shot} again"),
        (f"{labeled}: line {rows + 3}", "'9 novel'"),
        (f"{unlabeled}: line {pool + 1}", f"image {twice} again"),
        (str(lists), f"images in both lists: {base}"),
        (str(lists), f"images in no list: {gone}"),
        (str(lists), "unknown images: 6"),
    ]


def test_many_ids_are_shortened(annotations, recipe, lists, split):
    edit(lists / "unlabeled.txt", lambda lines: lines[9:])
    seal(lists, annotations)
    (fault,) = faults(annotations, recipe, lists)
    first = ", ".join(str(id_) for id_ in split.unlabeled[:5])
    assert fault.found == f"images in no list: {first}, ... (9 in all)"


def test_broken_promises_of_the_recipe(annotations, recipe, lists, split):
    # All few-shot images become base images; no list has a formal fault then.
    edit(lists / "labeled.txt", lambda lines: [line.split()[0] + " base" for line in lines])
    seal(lists, annotations)
    found = [fault.found for fault in faults(annotations, recipe, lists)]
    assert found[0] == f"{len(split.base) + len(split.few_shot)} base images"
    assert "0 few-shot boxes of 'bee'" in found
    assert "0 few-shot boxes of 'dog'" in found
    assert found[-1] == "other text"


def test_counts_are_recomputed(annotations, recipe, lists):
    edit(lists / "counts.csv", lambda lines: [*lines[:-1], lines[-1].replace("eel", "eal")])
    seal(lists, annotations)
    where = [fault.where for fault in faults(annotations, recipe, lists)]
    assert str(lists / "counts.csv") in where


def test_another_recipe(annotations, recipe, lists):
    found = faults(annotations, replace(recipe, seed=9), lists)
    assert [fault.where for fault in found] == [
        str(lists / "recipe.yaml"),
        str(lists / CHECKSUMS),
    ]
    assert found[0].expected == "what lists, recipe and annotation file give"


def test_bytes_that_are_no_text_and_endless_ids(annotations, recipe, lists, split):
    rows = len(split.base) + len(split.few_shot)
    labeled = lists / "labeled.txt"
    labeled.write_bytes(labeled.read_bytes() + b"\xff base\n" + b"7" * 5000 + b" base\n")
    seal(lists, annotations)
    found = faults(annotations, recipe, lists)
    assert [fault.where for fault in found] == [
        f"{labeled}: line {rows + 1}",
        f"{labeled}: line {rows + 2}",
    ]
    assert max(len(fault.found) for fault in found) < 40
    (lists / CHECKSUMS).write_bytes(b"\xff\n")
    assert "no line for this file" in str(GbssError(*faults(annotations, recipe, lists)))


def test_counts_that_are_no_text(annotations, recipe, lists):
    (lists / "counts.csv").write_bytes(b"\xff")
    seal(lists, annotations)
    where = [fault.where for fault in faults(annotations, recipe, lists)]
    assert str(lists / "counts.csv") in where


@pytest.fixture
def stated(recipe):
    """The recipe with counts that the draw can reach in the 90 images."""
    targets = {"bee": Target(4, 6), "dog": Target(3, 3), "eel": Target(6, 6)}
    return replace(recipe, labeled=20, targets=targets)


def commit(annotations, recipe, lists):
    split = build_split(annotations, recipe)
    write_lists(render_lists(split, annotations), lists)
    return split


def test_a_split_with_stated_counts(annotations, stated, tmp_path):
    split = commit(annotations, stated, tmp_path / "lists")
    found = verify_split(annotations, stated, tmp_path / "lists")
    assert found.base.tolist() == split.base.tolist()
    assert found.few_shot.tolist() == split.few_shot.tolist()


def test_a_scaled_split_is_what_its_recipe_says(annotations, stated, tmp_path):
    commit(annotations, stated.scaled(0.6), tmp_path / "lists")
    found = verify_split(annotations, stated, tmp_path / "lists")
    assert found.recipe == stated.scaled(0.6)
    edit(tmp_path / "lists/recipe.yaml", lambda lines: [s.replace("0.6", "0.7") for s in lines])
    seal(tmp_path / "lists", annotations)
    where = [fault.where for fault in faults(annotations, stated, tmp_path / "lists")]
    assert str(tmp_path / "lists/recipe.yaml") in where


@pytest.mark.parametrize(
    "text", ["factor: 3", "factor: no", "[1]", "source: given", "a: [", "\xff"]
)
def test_a_recipe_that_is_none(annotations, stated, tmp_path, text):
    lists = tmp_path / "lists"
    commit(annotations, stated, lists)
    (lists / "recipe.yaml").write_bytes(text.encode("latin-1"))
    seal(lists, annotations)
    where = [fault.where for fault in faults(annotations, stated, lists)]
    assert str(lists / "recipe.yaml") in where


def test_missed_counts(annotations, stated, tmp_path):
    lists = tmp_path / "lists"
    split = commit(annotations, stated, lists)
    moved = split.few_shot[0]
    edit(lists / "labeled.txt", lambda s: [each for each in s if each.split()[0] != str(moved)])
    unlabeled = sorted([*split.unlabeled.tolist(), int(moved)])
    edit(lists / "unlabeled.txt", lambda lines: map(str, unlabeled))
    seal(lists, annotations)
    first, second, *_ = faults(annotations, stated, lists)
    assert (first.found, first.expected) == ("19 labeled images", "20")
    assert second.where.startswith(f"{lists / 'labeled.txt'}: class ")
    assert second.found.endswith("labeled images")
