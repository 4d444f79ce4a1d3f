"""A split that the user has: the authors' label files or lists of image ids, checked and taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from gbss.errors import Fault, Faults, GbssError, fail
from gbss.files import sha256
from gbss.splits.annotations import Annotations, Ints
from gbss.splits.build import Split, minority_mask
from gbss.splits.given_files import RIGHT_FILES, read_given
from gbss.splits.lists import check_division, some
from gbss.splits.recipe import ROLES, GivenFile, Recipe
from gbss.splits.targets import box_counts


def given_split(annotations: Annotations, recipe: Recipe, files: Mapping[str, Path]) -> Split:
    """Takes the split that files of the user describe.

    What is not given follows: labeled are the images that are not unlabeled, and the other way
    round; all images of a second data set, whose classes were mapped, are labeled base images.
    Few-shot images are those of the few-shot file (all other labeled ones are base then),
    those marked ``few-shot`` in a list of labeled images (``<id> base`` or ``<id> few-shot``), or
    those with minority boxes in a COCO-format file of labeled images.

    Args:
        annotations: The train annotations. All boxes come from here.
        recipe: The task's recipe: its minority, and its targets to compare with.
        files: Role → file.

    Raises:
        GbssError: Everything that is wrong with the files.
    """
    if not {"labeled", "unlabeled"} & set(files) and annotations.mapped is None:
        raise fail(
            "the given split",
            found=f"only {' and '.join(files)}",
            expected="the labeled images, the unlabeled ones, or both",
            fix="name their file with --labeled or --unlabeled",
        )
    given: dict[str, dict[int, str]] = {}
    unreadable: list[Fault] = []
    with Faults() as faults:
        for role, path in files.items():
            try:
                given[role] = read_given(role, path, annotations, recipe, faults)
            except GbssError as error:
                unreadable.extend(error.faults)
        if unreadable:
            raise GbssError(*unreadable)
        sources, unlabeled = _divide(annotations, recipe, files, given, faults)
        base, few_shot = (
            np.array(sorted(id_ for id_, word in sources.items() if word == source), dtype=np.int64)
            for source in ("base", "few-shot")
        )
        where = str(files.get("few-shot", next(iter(files.values()))))
        _check_few_shot(annotations, recipe, few_shot, where, faults)
    named = {r: GivenFile(files[r].name, sha256(files[r])) for r in ROLES if r in files}
    return Split(replace(recipe, given=named), base, few_shot, np.array(sorted(unlabeled)))


def _divide(
    annotations: Annotations,
    recipe: Recipe,
    files: Mapping[str, Path],
    given: Mapping[str, Mapping[int, str]],
    faults: Faults,
) -> tuple[dict[int, str], set[int]]:
    """The source of each labeled image, and the unlabeled images; notes what does not fit."""
    images = set(annotations.image_ids.tolist())
    listed, few_shot = given.get("labeled", {}), set(given.get("few-shot", {}))
    mapped = _mapped(annotations)
    if "labeled" in given:
        labeled = listed.keys() | few_shot
    elif "unlabeled" in given:
        labeled = images - given["unlabeled"].keys() | few_shot
    else:
        labeled = mapped | few_shot
    unlabeled = set(given.get("unlabeled", images - labeled))
    where = " and ".join(map(str, files.values()))
    check_division(annotations, where, (labeled, unlabeled), faults, fix=RIGHT_FILES)
    if odd := {id_ for id_ in few_shot if listed.get(id_) == "base"}:
        found = f"base images according to {files['labeled']}: {some(odd)}"
        expected = "few-shot images"
        faults.add(str(files["few-shot"]), found=found, expected=expected, fix=RIGHT_FILES)
    otherwise = "base" if few_shot or not recipe.minority else ""
    if mapped:
        few_shot |= labeled - mapped
        otherwise = "base"
    sources = {
        id_: "few-shot" if id_ in few_shot else listed.get(id_) or otherwise for id_ in labeled
    }
    if unclear := [id_ for id_, source in sources.items() if not source]:
        faults.add(
            str(files.get("labeled", where)),
            found=f"no word on whether labeled images are base or few-shot: {some(unclear)}",
            expected="'<image id> base' or '<image id> few-shot' in every line",
            fix="write the word behind each id, or name a file of few-shot images (--few-shot)",
        )
    return sources, unlabeled


def _mapped(annotations: Annotations) -> set[int]:
    """Ids of the images of a second data set, all of which are labeled."""
    if annotations.mapped is None:
        return set()
    return set(annotations.image_ids[annotations.mapped].tolist())


def _check_few_shot(
    annotations: Annotations, recipe: Recipe, few_shot: Ints, where: str, faults: Faults
) -> None:
    """Few-shot images hold minority boxes, and together every minority class.

    Beside a second data set all of the first one's labeled images are few-shot, whatever they hold.
    """
    minority = minority_mask(annotations, recipe)
    places = np.flatnonzero(np.isin(annotations.image_ids, few_shot))
    counts = box_counts(annotations, places)[:, minority]
    odd = annotations.image_ids[places[~counts.any(axis=1)]]
    if len(odd) and annotations.mapped is None:
        found = f"few-shot images without a minority box: {some(odd.tolist())}"
        faults.add(where, found=found, expected="a minority box in each", fix=RIGHT_FILES)
    names = np.array(annotations.names)[minority]
    absent = names[~counts.any(axis=0)].tolist()
    if absent and len(few_shot):
        found = f"no few-shot image with {', '.join(absent)}"
        faults.add(where, found=found, expected="boxes of every minority class", fix=RIGHT_FILES)
