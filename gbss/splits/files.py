"""A split on disk: the committed lists and the annotation files that training reads."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults
from gbss.files import sha256, write_json, write_text
from gbss.splits.annotations import Annotations, Ints
from gbss.splits.build import Split, minority_mask

LISTS = ("labeled.txt", "unlabeled.txt", "counts.csv", "recipe.yaml")
CHECKSUMS = "SHA256SUMS"


def write_split(split: Split, annotations: Annotations, *, lists: Path, coco: Path) -> None:
    """Writes a split, identical bytes for identical input.

    Args:
        split: The split.
        annotations: The train annotations it divides.
        lists: Folder for the files to commit: labeled.txt, unlabeled.txt, counts.csv, recipe.yaml,
            SHA256SUMS. Identical files are left alone.
        coco: Folder for labeled.json, unlabeled.json and unlabeled_hidden.json.

    Raises:
        GbssError: ``lists`` holds another split; nothing has been changed then.
    """
    texts = render_lists(split, annotations)
    write_lists(texts, lists)
    write_coco(split, annotations, coco)


def render_lists(split: Split, annotations: Annotations) -> dict[str, str]:
    """The files to commit, as file name → text."""
    sources = {int(id_): "base" for id_ in split.base}
    sources |= {int(id_): "few-shot" for id_ in split.few_shot}
    texts = {
        "labeled.txt": "".join(f"{id_} {sources[id_]}\n" for id_ in sorted(sources)),
        "unlabeled.txt": "".join(f"{id_}\n" for id_ in split.unlabeled),
        "counts.csv": _counts(split, annotations),
        "recipe.yaml": split.recipe.to_yaml(),
    }
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    sums |= {name: sha256(path) for name, path in annotations.sources.items()}
    texts[CHECKSUMS] = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    return texts


def write_lists(texts: dict[str, str], lists: Path) -> None:
    """Writes the files to commit that are not there yet.

    Raises:
        GbssError: Every file that is there with another content; nothing has been changed then.
    """
    with Faults() as faults:
        for name, text in texts.items():
            path = lists / name
            if path.exists() and path.read_bytes() != text.encode():
                faults.add(
                    str(path),
                    found="a committed split that differs from the new one",
                    expected="the same split, or none",
                    fix=f"keep it (same data, recipe and seed), or remove {lists} to replace it",
                )
    for name, text in texts.items():
        if not (lists / name).exists():
            write_text(lists / name, text)


def write_coco(split: Split, annotations: Annotations, coco: Path) -> None:
    """Writes the three annotation files of a split, with what training needs and no more."""
    labeled = np.union1d(split.base, split.few_shot)
    seen, hidden = seen_boxes(split, annotations), box_images_in(annotations, split.unlabeled)
    nothing = np.zeros(len(annotations.box_ids), dtype=np.bool_)
    _write(annotations, labeled, seen, coco / "labeled.json")
    # What an image lacks is an annotation, too.
    silent = replace(annotations, negatives=None, not_exhaustive=None)
    _write(silent, split.unlabeled, nothing, coco / "unlabeled.json")
    _write(annotations, split.unlabeled, hidden, coco / "unlabeled_hidden.json")


def write_validation(annotations: Annotations, path: Path) -> None:
    """Writes an annotation file as evaluation needs it: checked, sorted by id, without polygons."""
    every = np.ones(len(annotations.box_ids), dtype=np.bool_)
    _write(annotations, annotations.image_ids, every, path)


def seen_boxes(split: Split, annotations: Annotations) -> NDArray[np.bool_]:
    """Which of the M boxes training sees: those of few-shot images, and majority ones of base."""
    majority = ~minority_mask(annotations, split.recipe)[annotations.box_classes]
    few_shot = box_images_in(annotations, split.few_shot)
    return few_shot | (box_images_in(annotations, split.base) & majority)


def box_images_in(annotations: Annotations, image_ids: Ints) -> NDArray[np.bool_]:
    """Which of the M boxes lie in the given images."""
    return np.isin(annotations.image_ids, image_ids)[annotations.box_images]


def _counts(split: Split, annotations: Annotations) -> str:
    """``counts.csv``: per class, what is labeled, taken away and hidden. Crowds do not count.

    Where counts are stated, also how far the labeled images and boxes are from them.
    """
    minority = minority_mask(annotations, split.recipe)
    seen = seen_boxes(split, annotations)
    base = box_images_in(annotations, split.base)
    few_shot = box_images_in(annotations, split.few_shot)
    pool = box_images_in(annotations, split.unlabeled)
    columns = {
        "labeled_images": _images(annotations, seen),
        "labeled_boxes": _boxes(annotations, seen),
        "base_boxes": _boxes(annotations, seen & base),
        "few_shot_boxes": _boxes(annotations, few_shot),
        "removed_boxes": _boxes(annotations, base & ~seen),
        "unlabeled_images": _images(annotations, pool),
        "unlabeled_boxes": _boxes(annotations, pool),
    }
    targets = split.recipe.targets
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    deviations = ["deviation_images", "deviation_percent", "deviation_boxes"] if targets else []
    head = ["id", "name", "group", *columns, "target_images", "target_boxes", *deviations]
    writer.writerow(head)
    for number, (id_, name) in enumerate(
        zip(annotations.category_ids, annotations.names, strict=True)
    ):
        group = "minority" if minority[number] else "majority"
        values = [column[number] for column in columns.values()]
        target = targets.get(name)
        stated: list[int | str] = ["", "", *("" for _ in deviations)]
        if target is not None:
            wanted = "" if target.boxes is None else target.boxes
            stated = [target.images, wanted, *target.deviation(*map(int, values[:2]))]
        writer.writerow([id_, name, group, *values, *stated])
    return stream.getvalue()


def _boxes(annotations: Annotations, chosen: NDArray[np.bool_]) -> Ints:
    """Boxes per class (K,) among the chosen ones."""
    kinds = annotations.box_classes[chosen & ~annotations.crowd]
    return np.bincount(kinds, minlength=len(annotations.names))


def _images(annotations: Annotations, chosen: NDArray[np.bool_]) -> Ints:
    """Images per class (K,) with at least one of the chosen boxes."""
    single = chosen & ~annotations.crowd
    pairs = np.stack([annotations.box_images[single], annotations.box_classes[single]], axis=1)
    kinds = np.unique(pairs, axis=0)[:, 1]
    return np.bincount(kinds, minlength=len(annotations.names))


def _write(annotations: Annotations, image_ids: Ints, boxes: NDArray[np.bool_], path: Path) -> None:
    positions = np.flatnonzero(np.isin(annotations.image_ids, image_ids))
    content: dict[str, Any] = {
        "images": [
            {
                "id": int(annotations.image_ids[number]),
                "file_name": annotations.file_names[number],
                "width": int(annotations.widths[number]),
                "height": int(annotations.heights[number]),
            }
            | _federated(annotations, int(number))
            for number in positions
        ],
        "annotations": [
            {
                "id": int(annotations.box_ids[number]),
                "image_id": int(annotations.image_ids[annotations.box_images[number]]),
                "category_id": int(annotations.category_ids[annotations.box_classes[number]]),
                "bbox": annotations.boxes[number].tolist(),
                "area": float(annotations.areas[number]),
                "iscrowd": int(annotations.crowd[number]),
            }
            for number in np.flatnonzero(boxes)
        ],
        "categories": [
            {"id": int(id_), "name": name}
            for id_, name in zip(annotations.category_ids, annotations.names, strict=True)
        ],
    }
    write_json(path, content, indent=None)


def _federated(annotations: Annotations, image: int) -> dict[str, list[int]]:
    """What a federated file says of an image besides its boxes."""
    lists = {
        "neg_category_ids": annotations.negatives,
        "not_exhaustive_category_ids": annotations.not_exhaustive,
    }
    return {
        key: annotations.category_ids[values[offsets[image] : offsets[image + 1]]].tolist()
        for key, pair in lists.items()
        if pair is not None
        for offsets, values in [pair]
    }
