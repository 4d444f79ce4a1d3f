"""A labeled data set and a set of unlabeled images, as one data set whose split is given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from gbss.errors import fail
from gbss.files import sha256
from gbss.splits.annotations import Annotations, Lists
from gbss.splits.build import Split
from gbss.splits.class_map import join, select
from gbss.splits.recipe import GivenFile, Recipe


def add_pool(
    labeled: Annotations,
    pool: Annotations,
    folders: tuple[Path, Path],
    say: Callable[[str], None],
) -> Annotations:
    """Puts unlabeled images beside labeled ones.

    Images that are labeled, too (the same file, or a copy with the same name) are left out of the
    pool. Ids of the pool are set apart from those of the labeled images, see `class_map.join`. File
    names stay relative to their own folders.

    Args:
        labeled: The labeled images.
        pool: The unlabeled images. Boxes that they have are of the same classes, and hidden.
        folders: The folder of the labeled and that of the unlabeled images.
        say: Takes a line on what was left out.

    Raises:
        GbssError: Nothing is left.
    """
    namesakes = _namesakes(labeled, pool)
    twice = {
        name
        for name, others in namesakes.items()
        if any(_same(folders[1] / name, folders[0] / other) for other in others)
    }
    if others := sorted(namesakes.keys() - twice):
        say(
            f"{pool.path}: {len(others):,} images have the name of a labeled one and other content; "
            f"they stay, the first is {others[0]!r}"
        )
    left = np.array([name not in twice for name in pool.file_names])
    if twice:
        say(
            f"{pool.path}: left out {len(twice):,} of {len(left):,} images, which are labeled, "
            f"too; the first is {min(twice)!r}"
        )
    if not left.any():
        raise fail(
            str(pool.path),
            found=f"{len(left):,} images, all of them labeled",
            expected="unlabeled images",
            fix="name other images with --unlabeled, or give one file to draw from (--train)",
        )
    kept = select(pool, left)
    plain = replace(labeled, negatives=None, not_exhaustive=None)
    same = replace(kept, category_ids=labeled.category_ids, names=labeled.names)
    joined = join(plain, same, ("", ""))
    return replace(
        joined,
        mapped=None,
        pool=joined.mapped,
        negatives=_lists(labeled.negatives, kept.negatives, len(kept.image_ids)),
        not_exhaustive=_lists(labeled.not_exhaustive, kept.not_exhaustive, len(kept.image_ids)),
    )


def pool_split(annotations: Annotations, recipe: Recipe) -> Split:
    """The split that a data set with a pool is: all that is labeled, and the pool."""
    if annotations.pool is None:
        raise ValueError("a data set without a pool")
    given = {
        role: GivenFile(name, digest)
        for role, (name, (_, digest)) in zip(
            ("labeled", "unlabeled"), annotations.sources.items(), strict=True
        )
    }
    ids = annotations.image_ids
    return Split(
        replace(recipe, given=given), ids[~annotations.pool], ids[:0], ids[annotations.pool]
    )


def _namesakes(labeled: Annotations, pool: Annotations) -> dict[str, list[str]]:
    """Image of the pool → labeled images of the same name, in whatever folder."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for name in labeled.file_names:
        by_name[Path(name).name].append(name)
    return {
        name: by_name[last]
        for name, last in ((name, Path(name).name) for name in pool.file_names)
        if last in by_name
    }


def _same(first: Path, second: Path) -> bool:
    """Whether two files, of the same name, are one file or have the same content."""
    if not (first.is_file() and second.is_file()):
        return False
    return first.samefile(second) or (
        first.stat().st_size == second.stat().st_size and sha256(first) == sha256(second)
    )


def _lists(labeled: Lists | None, pool: Lists | None, images: int) -> Lists | None:
    """Lists of classes of the labeled images, then of the pool, which need not have any."""
    if labeled is None:
        return None
    offsets, values = pool or (np.zeros(images + 1, dtype=np.int64), labeled[1][:0])
    return (
        np.concatenate([labeled[0], labeled[0][-1] + offsets[1:]]),
        np.concatenate([labeled[1], values]),
    )
