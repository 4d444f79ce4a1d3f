"""Ground truth and detections of the sizes of COCO val2017 and LVIS v1 val, made without either.

A detector's detections: most objects are found, some of them twice or as another class, and the
rest of an image's detections hit nothing. The classes have a long tail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 480
CROWDS = 0.012
"""Share of the boxes that stand for a group; LVIS has none."""
NEGATIVES, PARTLY = 12, 0.15
"""Classes that an image of LVIS is known to lack; share of its classes that are partly boxed."""


@dataclass(frozen=True)
class Case:
    """A validation set.

    Attributes:
        images: Number of images.
        boxes: Number of boxes.
        classes: Number of classes.
        detections: Number of detections per image.
        federated: Whether it is annotated like LVIS.
    """

    images: int
    boxes: int
    classes: int
    detections: int
    federated: bool


CASES = {
    "coco": Case(5_000, 36_781, 80, 100, federated=False),
    "lvis": Case(19_809, 244_707, 1_203, 300, federated=True),
}


@dataclass(frozen=True)
class Made:
    """What is in the two files.

    Attributes:
        truth: The content of the annotation file.
        columns: (N, 7) image id, x, y, width, height, score and category id of the detections.
    """

    truth: dict[str, Any]
    columns: NDArray[np.float64]


def make(case: Case, seed: int = 0) -> Made:
    """Ground truth and detections; the same every time."""
    rng = np.random.default_rng(seed)
    image_ids = np.sort(rng.choice(5 * case.images, case.images, replace=False)) + 9
    class_ids = np.sort(rng.choice(2 * case.classes, case.classes, replace=False)) + 1
    images = rng.integers(case.images, size=case.boxes)
    # Every class has a box, and few have many.
    classes = rng.permutation(
        np.append(np.arange(case.classes), _classes(case.classes, case.boxes - case.classes, rng))
    )
    boxes = _boxes(case.boxes, rng)
    crowd = np.zeros(case.boxes, np.bool_) if case.federated else rng.random(case.boxes) < CROWDS
    truth = {
        "images": _images(case, image_ids, class_ids, images, classes, rng),
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": class_,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": int(group),
            }
            for number, (image, class_, box, group) in enumerate(
                zip(
                    image_ids[images].tolist(),
                    class_ids[classes].tolist(),
                    boxes.tolist(),
                    crowd.tolist(),
                    strict=True,
                ),
                start=1,
            )
        ],
        "categories": [
            {"id": id_, "name": f"class {number}", "frequency": "rcf"[number % 3]}
            for number, id_ in enumerate(class_ids.tolist())
        ],
    }
    columns = _detections(case, images, classes, boxes, rng)
    columns[:, 0] = image_ids[columns[:, 0].astype(np.int64)]
    columns[:, 6] = class_ids[columns[:, 6].astype(np.int64)]
    return Made(truth, columns)


def write(made: Made, folder: Path) -> tuple[Path, Path]:
    """Writes ``truth.json`` and ``detections.json``, as usual tools want them."""
    paths = folder / "truth.json", folder / "detections.json"
    paths[0].write_text(json.dumps(made.truth), encoding="ascii")
    with paths[1].open("w", encoding="ascii") as stream:
        for number, row in enumerate(made.columns.tolist()):
            image, x, y, width, height, score, class_ = row
            stream.write("[" if number == 0 else ", ")
            stream.write(
                f'{{"image_id": {image:.0f}, "bbox": [{x!r}, {y!r}, {width!r}, {height!r}], '
                f'"score": {score!r}, "category_id": {class_:.0f}}}'
            )
        stream.write("]\n")
    return paths


def _images(
    case: Case,
    image_ids: NDArray[np.int64],
    class_ids: NDArray[np.int64],
    images: NDArray[np.int64],
    classes: NDArray[np.int64],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {"id": id_, "file_name": f"{id_:012d}.jpg", "width": WIDTH, "height": HEIGHT}
        for id_ in image_ids.tolist()
    ]
    if case.federated:
        order = np.argsort(images, kind="stable")
        parts = np.split(classes[order], np.searchsorted(images[order], np.arange(1, case.images)))
        for entry, part in zip(entries, parts, strict=True):
            held = np.unique(part)
            lacked = np.setdiff1d(_classes(case.classes, NEGATIVES, rng), held)
            entry["neg_category_ids"] = class_ids[lacked].tolist()
            partly = held[rng.random(len(held)) < PARTLY]
            entry["not_exhaustive_category_ids"] = class_ids[partly].tolist()
    return entries


def _detections(
    case: Case,
    images: NDArray[np.int64],
    classes: NDArray[np.int64],
    boxes: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(N, 7) with positions in the place of ids."""
    copies = np.repeat(np.arange(case.boxes), rng.choice(4, case.boxes, p=[0.15, 0.55, 0.2, 0.1]))
    spread = rng.gamma(1.5, 0.05, (len(copies), 1))
    sizes = np.tile(boxes[copies, 2:], 2)
    near = boxes[copies] + spread * sizes * rng.normal(size=(len(copies), 4))
    near[:, 2:] = np.maximum(near[:, 2:], 1)
    right = rng.random(len(copies)) < 0.85
    named = np.where(right, classes[copies], _classes(case.classes, len(copies), rng))
    hits = np.column_stack([images[copies], near, rng.beta(3, 2, len(copies)), named])
    # Every image has as many as a detector keeps.
    count = case.images * case.detections
    others = np.column_stack(
        [
            np.repeat(np.arange(case.images), case.detections),
            _boxes(count, rng),
            rng.beta(1, 8, count),
            _classes(case.classes, count, rng),
        ]
    )
    rows = np.concatenate([hits, others])
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    place = np.arange(len(rows)) - np.searchsorted(rows[:, 0], rows[:, 0])
    rows = rows[place < case.detections]
    # Networks state scores and corners in single precision.
    rows[:, 1:6] = rows[:, 1:6].astype(np.float32)
    return rows


def _classes(count: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return (count * rng.random(size) ** 3).astype(np.int64)


def _boxes(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    sizes = 4 + [[300, 240]] * rng.random((count, 2)) ** 2
    corners = rng.random((count, 2)) * ([WIDTH, HEIGHT] - sizes)
    return np.hstack([corners, sizes]).round(2)
