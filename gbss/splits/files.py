"""A split on disk: the committed lists, and with them the files that training reads."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults
from gbss.files import write_text
from gbss.splits.annotations import Annotations, Ints
from gbss.splits.build import Split, minority_mask
from gbss.splits.coco_files import box_images_in, seen_boxes, write_coco

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
    _check_lists(texts, lists)
    # Training wants this file: without it the others of an older split cannot pass for those of
    # the new one if this is cut short. It is written last.
    (coco / "labeled.json").unlink(missing_ok=True)
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
    sums |= {name: digest for name, (_, digest) in annotations.sources.items()}
    texts[CHECKSUMS] = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    return texts


def write_lists(texts: dict[str, str], lists: Path) -> None:
    """Writes the files to commit that are not there yet.

    Raises:
        GbssError: Every file that is there with another content; nothing has been changed then.
    """
    _check_lists(texts, lists)
    for name, text in texts.items():
        if not (lists / name).exists():
            write_text(lists / name, text)


def _check_lists(texts: dict[str, str], lists: Path) -> None:
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


def _counts(split: Split, annotations: Annotations) -> str:
    """``counts.csv``: per class, what is labeled, taken away and hidden. Crowds do not count.

    Where counts are stated, also how far the labeled images and boxes are from them. Beside a set
    of unlabeled images, groups decide nothing here and may change later: that column stays empty;
    and so do the counts of these images if they have no boxes that are known.
    """
    minority = minority_mask(annotations, split.recipe)
    seen = seen_boxes(split, annotations)
    base = box_images_in(annotations, split.base)
    few_shot = box_images_in(annotations, split.few_shot)
    pool = box_images_in(annotations, split.unlabeled)
    columns = {
        "labeled_images": images_per_class(annotations, seen),
        "labeled_boxes": boxes_per_class(annotations, seen),
        "base_boxes": boxes_per_class(annotations, seen & base),
        "few_shot_boxes": boxes_per_class(annotations, few_shot),
        "removed_boxes": boxes_per_class(annotations, base & ~seen),
    }
    known = annotations.pool is None or pool.any()
    hidden = {
        "unlabeled_images": images_per_class(annotations, pool),
        "unlabeled_boxes": boxes_per_class(annotations, pool),
    }
    targets = split.recipe.targets
    groups = {name: group for group, names in split.recipe.groups.items() for name in names}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    deviations = ["deviation_images", "deviation_percent", "deviation_boxes"] if targets else []
    head = ["id", "name", "group", *columns, *hidden, "target_images", "target_boxes", *deviations]
    writer.writerow(head)
    for number, (id_, name) in enumerate(
        zip(annotations.category_ids, annotations.names, strict=True)
    ):
        group = groups.get(name, "minority" if minority[number] else "majority")
        values = [column[number] for column in columns.values()]
        unlabeled = [column[number] if known else "" for column in hidden.values()]
        target = targets.get(name)
        stated: list[int | str] = ["", "", *("" for _ in deviations)]
        if target is not None:
            wanted = "" if target.boxes is None else target.boxes
            stated = [target.images, wanted, *target.deviation(*map(int, values[:2]))]
        writer.writerow(
            [id_, name, "" if annotations.pool is not None else group, *values, *unlabeled, *stated]
        )
    return stream.getvalue()


def boxes_per_class(annotations: Annotations, chosen: NDArray[np.bool_]) -> Ints:
    """Boxes per class (K,) among the chosen ones."""
    kinds = annotations.box_classes[chosen & annotations.counted]
    return np.bincount(kinds, minlength=len(annotations.names))


def images_per_class(annotations: Annotations, chosen: NDArray[np.bool_]) -> Ints:
    """Images per class (K,) with at least one of the chosen boxes."""
    single = chosen & annotations.counted
    # One number per pair: far faster to sort than rows of two.
    pairs = annotations.box_images[single] * len(annotations.names)
    kinds = np.unique(pairs + annotations.box_classes[single]) % max(1, len(annotations.names))
    return np.bincount(kinds, minlength=len(annotations.names))
