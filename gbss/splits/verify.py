"""Checks a committed split against the annotation file it divides."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from reprlib import repr as shown

import numpy as np

from gbss.errors import Faults
from gbss.files import sha256
from gbss.splits.annotations import Annotations, Ints
from gbss.splits.build import Split, base_candidates, base_size, minority_mask
from gbss.splits.coco_files import box_images_in
from gbss.splits.files import CHECKSUMS, LISTS, render_lists
from gbss.splits.recipe import Recipe

SOURCES = ("base", "few-shot")
RESTORE = "restore the committed file, or build the split anew"
SHOWN_IDS = 5
"""How many offending ids a message names."""

ID_DIGITS = 19
"""The longest image id that an annotation file can hold (64 bits)."""


def verify_split(annotations: Annotations, recipe: Recipe, lists: Path) -> Split:
    """Reads a committed split and checks all it claims.

    Checked are: the checksums, those of the annotation file included; that labeled and unlabeled
    are disjoint and together the whole of train; the recipe; the counts. The draw itself is not
    repeated: the lists count, whatever version of a random generator made them.

    Args:
        annotations: The train annotations.
        recipe: The rule that the task asks for.
        lists: Folder with the committed files.

    Returns:
        The split that the lists describe.

    Raises:
        GbssError: Everything that is wrong.
    """
    with Faults() as faults:
        missing = [name for name in (*LISTS, CHECKSUMS) if not (lists / name).is_file()]
        for name in missing:
            fix = RESTORE
            faults.add(
                str(lists / name), found="no such file", expected="a committed file", fix=fix
            )
        if CHECKSUMS not in missing:
            _check_sums(annotations, lists, faults)
        sources = _ids(lists / "labeled.txt", faults, SOURCES)
        unlabeled = _ids(lists / "unlabeled.txt", faults)
        if not {"labeled.txt", "unlabeled.txt"} & set(missing):
            _check_division(annotations, lists, set(sources), set(unlabeled), faults)
    base, few_shot = (
        np.array(sorted(id_ for id_, word in sources.items() if word == source), dtype=np.int64)
        for source in SOURCES
    )
    split = Split(recipe, base, few_shot, np.array(sorted(unlabeled), dtype=np.int64))
    with Faults() as faults:
        _check_recipe(annotations, split, lists, faults)
        for name, text in render_lists(split, annotations).items():
            if (lists / name).read_bytes() != text.encode():
                expected = "what lists, recipe and annotation file give"
                faults.add(str(lists / name), found="other text", expected=expected, fix=RESTORE)
    return split


def _lines(path: Path) -> list[str]:
    """The lines of a file; bytes that are no UTF-8 become marks that no sound line holds."""
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _check_sums(annotations: Annotations, lists: Path, faults: Faults) -> None:
    """Compares every file with its line in SHA256SUMS."""
    stated: dict[str, str] = {}
    for line in _lines(lists / CHECKSUMS):
        digest, _, name = line.partition("  ")
        stated[name] = digest
    paths = {name: lists / name for name in LISTS} | {annotations.path.name: annotations.path}
    for name, path in paths.items():
        if not path.is_file():
            continue
        digest = annotations.digest if path == annotations.path else sha256(path)
        if stated.get(name) != digest:
            expected = f"{stated.get(name, 'no line for this file')} (in {lists / CHECKSUMS})"
            fix = (
                RESTORE if path.parent == lists else "use the annotation file the split was made of"
            )
            faults.add(str(path), found=f"SHA-256 {digest}", expected=expected, fix=fix)


def _ids(path: Path, faults: Faults, words: tuple[str, ...] = ()) -> dict[int, str]:
    """Image id → source of the lines of a list; nothing where the file is missing."""
    ids: dict[int, str] = {}
    if not path.is_file():
        return ids
    expected = f"<image id> {'|'.join(words)}" if words else "<image id>"
    for number, line in enumerate(_lines(path), start=1):
        where = f"{path}: line {number}"
        first, _, word = line.partition(" ")
        if not first.isdecimal() or len(first) > ID_DIGITS or word not in (words or ("",)):
            faults.add(where, found=shown(line), expected=expected, fix=RESTORE)
        elif int(first) in ids:
            faults.add(where, found=f"image {first} again", expected="each image once", fix=RESTORE)
        else:
            ids[int(first)] = word
    return ids


def _check_division(
    annotations: Annotations, lists: Path, labeled: set[int], unlabeled: set[int], faults: Faults
) -> None:
    """Labeled and unlabeled are disjoint and together the images of the annotation file."""
    images = {int(id_) for id_ in annotations.image_ids}
    for found, ids, expected in (
        ("images in both lists", labeled & unlabeled, "each image in one list"),
        ("images in no list", images - labeled - unlabeled, "each image in one list"),
        ("unknown images", (labeled | unlabeled) - images, f"images of {annotations.path}"),
    ):
        if ids:
            faults.add(str(lists), found=f"{found}: {_some(ids)}", expected=expected, fix=RESTORE)


def _check_recipe(annotations: Annotations, split: Split, lists: Path, faults: Faults) -> None:
    """The lists keep what the recipe promises."""
    recipe, where = split.recipe, f"{lists / 'labeled.txt'}"
    minority = minority_mask(annotations, recipe)
    candidates = base_candidates(annotations, minority)
    if len(split.base) != base_size(candidates, recipe):
        found = f"{len(split.base)} base images"
        expected = f"{base_size(candidates, recipe)}, the recipe's share of {len(candidates)}"
        faults.add(where, found=found, expected=expected, fix=RESTORE)
    if odd := set(split.base.tolist()) - set(annotations.image_ids[candidates].tolist()):
        found = f"base images without a majority box: {_some(odd)}"
        faults.add(where, found=found, expected="a majority box in each", fix=RESTORE)
    boxes = _boxes(annotations, split.few_shot)
    for number in np.flatnonzero(minority):
        if boxes[number] < recipe.shots:
            found = f"{boxes[number]} few-shot boxes of {annotations.names[number]!r}"
            expected = f"at least {recipe.shots}"
            faults.add(where, found=found, expected=expected, fix=RESTORE)


def _boxes(annotations: Annotations, image_ids: Ints) -> Ints:
    """Boxes per class (K,) in the given images, without crowds."""
    chosen = box_images_in(annotations, image_ids) & annotations.counted
    return np.bincount(annotations.box_classes[chosen], minlength=len(annotations.names))


def _some(ids: Iterable[int]) -> str:
    """The first few ids and how many there are."""
    ordered = sorted(ids)
    more = f", ... ({len(ordered)} in all)" if len(ordered) > SHOWN_IDS else ""
    return ", ".join(map(str, ordered[:SHOWN_IDS])) + more
