"""Where a split comes from: the user's files, the committed lists, the task itself, or a draw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gbss.errors import Faults, fail
from gbss.splits.annotations import Annotations
from gbss.splits.build import Split, build_split
from gbss.splits.files import CHECKSUMS
from gbss.splits.given import given_split
from gbss.splits.pool import pool_split
from gbss.splits.recipe import Recipe
from gbss.splits.verify import verify_split


def choose_split(
    annotations: Annotations,
    recipe: Recipe,
    lists: Path,
    *,
    files: Mapping[str, Path],
    factor: float | None,
) -> Split:
    """The split that the user gives, else the one that is committed, else a new one.

    A new one is drawn, unless the data have unlabeled images of their own.

    Args:
        annotations: The train annotations.
        recipe: The task's recipe.
        lists: Folder of the committed lists. They count, whatever version of a random generator
            drew them.
        files: The user's own files, see `gbss.splits.given.given_split`; empty to draw.
        factor: Scales the recipe's stated counts, see `Recipe.scaled`; None takes them as they are.

    Raises:
        GbssError: What is asked for contradicts itself or cannot be had.
    """
    if annotations.pool is not None and (files or factor is not None):
        raise fail(
            "the split",
            found="files of labeled or unlabeled images, or --factor",
            expected="neither, as the task itself says which images are labeled",
            fix="leave them out",
        )
    if files and factor is not None:
        raise fail(
            "the split",
            found="files of labeled or unlabeled images, and --factor",
            expected="a split that is given, or one that is drawn",
            fix="leave one of them out",
        )
    if files:
        split = given_split(annotations, recipe, files)
    elif factor is not None:
        split = build_split(annotations, _scaled(recipe, factor))
    elif (lists / CHECKSUMS).exists():
        split = verify_split(annotations, recipe, lists)
    elif annotations.pool is not None:
        split = pool_split(annotations, recipe)
    else:
        split = build_split(annotations, recipe)
    _check_parts(split, annotations)
    return split


def _check_parts(split: Split, annotations: Annotations) -> None:
    """Semi-supervised training needs labeled and unlabeled images."""
    parts = {"labeled": len(split.base) + len(split.few_shot), "unlabeled": len(split.unlabeled)}
    with Faults() as faults:
        for name, count in parts.items():
            if not count:
                faults.add(
                    f"the split of {annotations.path}",
                    found=f"no {name} image",
                    expected="labeled and unlabeled images",
                    fix="give more images, or another share, number of shots or list",
                )


def _scaled(recipe: Recipe, factor: float) -> Recipe:
    if recipe.labeled is None:
        raise fail(
            "--factor",
            found="a task whose recipe takes a share of the images",
            expected="a task with stated counts",
            fix="leave it out: a share fits a file of any size",
        )
    if not 0 < factor <= 1:
        expected = "a number above 0, at most 1"
        raise fail("--factor", found=f"{factor:g}", expected=expected, fix="correct the factor")
    return recipe.scaled(factor)
