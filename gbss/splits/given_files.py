"""Reads what the user gives as a split: COCO-format files and lists of image ids."""

from __future__ import annotations

from pathlib import Path
from reprlib import repr as shown

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults, fail
from gbss.files import read_json
from gbss.splits.annotations import Annotations, read
from gbss.splits.build import minority_mask
from gbss.splits.entries import LARGEST_ID
from gbss.splits.lists import SOURCES, parse_ids, some
from gbss.splits.recipe import Recipe
from gbss.splits.targets import box_counts

RIGHT_FILES = "give the files that belong to this annotation file"
UNSAID = ""
"""Source of an image of which its file does not say whether it is base or few-shot."""


def read_given(
    role: str, path: Path, annotations: Annotations, recipe: Recipe, faults: Faults
) -> dict[int, str]:
    """Reads one file: JSON if it starts like that, else a list with one image id a line.

    Args:
        role: What its images are, one of `ROLES`.
        path: The file.
        annotations: The train annotations.
        recipe: Names the minority classes.
        faults: Where to note what is wrong.

    Returns:
        Image id → ``base``, ``few-shot`` or `UNSAID`.

    Raises:
        GbssError: The file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            is_json = stream.read(100).lstrip().startswith((b"{", b"["))
    except OSError as error:
        raise fail(
            str(path),
            found=error.strerror or str(error),
            expected=f"a file of the {role} images",
            fix="check the path",
        ) from error
    if is_json and role == "labeled":
        sources = _labeled_file(read(path), annotations, recipe, faults)
    elif is_json:
        sources = _image_ids(path, faults)
    else:
        words = (UNSAID, *SOURCES) if role == "labeled" else (UNSAID,)
        sources = parse_ids(path, faults, words, fix="correct the line")
    if not sources:
        fix = "give a file with images, or leave it out"
        faults.add(str(path), found="no images", expected=f"the {role} images", fix=fix)
    return dict.fromkeys(sources, "few-shot") if role == "few-shot" else sources


def _image_ids(path: Path, faults: Faults) -> dict[int, str]:
    """The image ids of a COCO-format file, with or without annotations."""
    content = read_json(path, what="COCO-format file")
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        fix = "give a COCO-format file, or a list with one image id a line"
        raise fail(str(path), found="no list 'images'", expected="a list 'images'", fix=fix)
    ids: dict[int, str] = {}
    for number, entry in enumerate(images):
        id_ = entry.get("id") if isinstance(entry, dict) else None
        where = f"{path}: images[{number}]"
        if not isinstance(id_, int) or isinstance(id_, bool) or abs(id_) > LARGEST_ID:
            fix, expected = "correct the entry", "an integer 'id' of at most 64 bits"
            faults.add(where, found=shown(entry), expected=expected, fix=fix)
        elif id_ in ids:
            fix = "remove one of them"
            faults.add(where, found=f"image {id_} again", expected="each image once", fix=fix)
        else:
            ids[id_] = UNSAID
    return ids


def _labeled_file(
    given: Annotations, annotations: Annotations, recipe: Recipe, faults: Faults
) -> dict[int, str]:
    """Finds the few-shot images of a labeled file, and whether it keeps the paper's rule.

    An image with minority boxes is few-shot and must have all its boxes; any other must have all
    its majority boxes. Numbers of boxes are compared, for files may number their boxes anew.
    """
    where = str(given.path)
    if strange := set(given.category_ids.tolist()) - set(annotations.category_ids.tolist()):
        found = f"unknown category ids: {some(strange)}"
        expected = f"categories of {annotations.path}"
        faults.add(where, found=found, expected=expected, fix=RIGHT_FILES)
        return dict.fromkeys(given.image_ids.tolist(), "base")
    minority = minority_mask(annotations, recipe)
    held = np.zeros((len(given.image_ids), len(minority)), dtype=np.int64)
    columns = np.searchsorted(annotations.category_ids, given.category_ids)
    held[:, columns] = box_counts(given, np.arange(len(held)))
    few_shot = np.asarray(held[:, minority].any(axis=1))
    known = np.isin(given.image_ids, annotations.image_ids)
    places = np.searchsorted(annotations.image_ids, given.image_ids[known])
    other: NDArray[np.bool_] = held[known] != box_counts(annotations, places)
    for group, wrong in (
        ("majority", other[:, ~minority].any(axis=1)),
        ("minority", other[:, minority].any(axis=1) & few_shot[known]),
    ):
        if wrong.any():
            found = f"other {group} boxes in images {some(given.image_ids[known][wrong].tolist())}"
            expected = f"as many {group} boxes of each class as in {annotations.path}"
            fix = "give a file that was made of this annotation file by the paper's rule"
            faults.add(where, found=found, expected=expected, fix=fix)
    words = np.where(few_shot, "few-shot", "base").tolist()
    return dict(zip(given.image_ids.tolist(), words, strict=True))
