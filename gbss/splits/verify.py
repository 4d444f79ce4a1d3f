"""Checks a committed split against the annotation file it divides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from gbss.errors import Faults
from gbss.files import sha256
from gbss.splits.annotations import Annotations, Ints
from gbss.splits.build import Split, base_candidates, base_size, minority_mask
from gbss.splits.coco_files import box_images_in
from gbss.splits.files import CHECKSUMS, LISTS, render_lists
from gbss.splits.lists import SOURCES, check_division, lines_of, parse_ids, some
from gbss.splits.recipe import GivenFile, Recipe
from gbss.splits.targets import check_counts

RESTORE = "restore the committed file, or build the split anew"


def verify_split(annotations: Annotations, recipe: Recipe, lists: Path) -> Split:
    """Reads a committed split and checks all it claims.

    Checked are: the checksums, those of the annotation file included; that labeled and unlabeled
    are disjoint and together the whole of train; the recipe; the counts. The draw itself is not
    repeated: the lists count, whatever version of a random generator made them. So do lists that
    the user gave, and those of a scaled recipe; ``recipe.yaml`` says what they are.

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
        sources, unlabeled = (
            {} if name in missing else parse_ids(lists / name, faults, words, fix=RESTORE)
            for name, words in (("labeled.txt", SOURCES), ("unlabeled.txt", ("",)))
        )
        if not {"labeled.txt", "unlabeled.txt"} & set(missing):
            parts = set(sources), set(unlabeled)
            check_division(annotations, str(lists), parts, faults, fix=RESTORE)
    base, few_shot = (
        np.array(sorted(id_ for id_, word in sources.items() if word == source), dtype=np.int64)
        for source in SOURCES
    )
    recipe = _committed(recipe, lists / "recipe.yaml")
    split = Split(recipe, base, few_shot, np.array(sorted(unlabeled), dtype=np.int64))
    with Faults() as faults:
        _check_recipe(annotations, split, lists, faults)
        for name, text in render_lists(split, annotations).items():
            if (lists / name).read_bytes() != text.encode():
                expected = "what lists, recipe and annotation file give"
                faults.add(str(lists / name), found="other text", expected=expected, fix=RESTORE)
    return split


def _check_sums(annotations: Annotations, lists: Path, faults: Faults) -> None:
    """Compares every file with its line in SHA256SUMS."""
    stated: dict[str, str] = {}
    for line in lines_of(lists / CHECKSUMS):
        digest, _, name = line.partition("  ")
        stated[name] = digest
    files = {name: lists / name for name in LISTS if (lists / name).is_file()}
    found = {name: (path, sha256(path), RESTORE) for name, path in files.items()}
    fix = "use the annotation file the split was made of"
    if annotations.pool is not None:
        fix = f"use the images the split was made of, or remove {lists} and split what there is now"
    for name, (path, digest) in annotations.sources.items():
        found[name] = (path, digest, fix)
    for name, (path, digest, fix) in found.items():
        if stated.get(name) != digest:
            expected = f"{stated.get(name, 'no line for this file')} (in {lists / CHECKSUMS})"
            faults.add(str(path), found=f"SHA-256 {digest}", expected=expected, fix=fix)


def _committed(recipe: Recipe, path: Path) -> Recipe:
    """The task's recipe with what a committed one may add: given files, or a factor.

    Whatever else differs, the comparison of the texts finds.
    """
    try:
        content: Any = yaml.safe_load(path.read_bytes())
        if content.get("source") == "given":
            given = {role: GivenFile(**file) for role, file in content["given"].items()}
            return replace(recipe, given=given)
        return recipe.scaled(content["factor"]) if "factor" in content else recipe
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError):
        return recipe


def _check_recipe(annotations: Annotations, split: Split, lists: Path, faults: Faults) -> None:
    """The lists keep what the recipe promises; lists that were given promise nothing."""
    if split.recipe.given:
        return
    where = str(lists / "labeled.txt")
    minority = minority_mask(annotations, split.recipe)
    if split.recipe.stated:
        check_counts(annotations, split.recipe, (split.base, split.few_shot), where, faults)
    else:
        _check_share(annotations, split, minority, where, faults)
    candidates = base_candidates(annotations, minority)
    if odd := set(split.base.tolist()) - set(annotations.image_ids[candidates].tolist()):
        found = f"base images without a majority box: {some(odd)}"
        faults.add(where, found=found, expected="a majority box in each", fix=RESTORE)


def _check_share(
    annotations: Annotations, split: Split, minority: NDArray[np.bool_], where: str, faults: Faults
) -> None:
    """As many base images as the share asks for, and the shots of every minority class."""
    recipe = split.recipe
    candidates = base_candidates(annotations, minority)
    if len(split.base) != base_size(candidates, recipe):
        found = f"{len(split.base)} base images"
        expected = f"{base_size(candidates, recipe)} of {len(candidates)}, as the recipe asks"
        faults.add(where, found=found, expected=expected, fix=RESTORE)
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
