"""Annotation files with the class statistics of COCO train2017, made without COCO.

Every class lies in as many images as in train2017 and has nearly as many boxes. Images have scenes
(a street, a kitchen, ...), and what belongs to a scene is found together, so that classes occur
together about as they do in photographs; no image holds what a real one does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGES = 118_287
EMPTY = 1_021
CROWD_SHARE = 0.085
"""Images with a box that stands for a group; a tenth of a box in all."""

# Category id, name, kind, images and boxes of train2017. Boxes, without crowds, are those that
# detectron2 prints when it has read the file, 849,949 in all. Images, with crowds, agree with the
# released code: of the classes of COCO -> Objects365 it states, beside COCO's, a few hundred images
# of Objects365 at most (1,148 of person), and none at all of frisbee, snowboard and kite.
CLASSES = (
    (1, "person", "person", 64115, 257253),
    (2, "bicycle", "street", 3252, 7056),
    (3, "car", "street", 12251, 43533),
    (4, "motorcycle", "street", 3502, 8654),
    (5, "airplane", "travel", 2986, 5129),
    (6, "bus", "street", 3952, 6061),
    (7, "train", "travel", 3588, 4570),
    (8, "truck", "street", 6127, 9970),
    (9, "boat", "travel", 3025, 10576),
    (10, "traffic light", "street", 4139, 12842),
    (11, "fire hydrant", "street", 1711, 1865),
    (13, "stop sign", "street", 1734, 1983),
    (14, "parking meter", "street", 705, 1283),
    (15, "bench", "street", 5570, 9820),
    (16, "bird", "animal", 3237, 10542),
    (17, "cat", "living room", 4114, 4766),
    (18, "dog", "living room", 4385, 5500),
    (19, "horse", "animal", 2941, 6567),
    (20, "sheep", "animal", 1529, 9223),
    (21, "cow", "animal", 1968, 8014),
    (22, "elephant", "animal", 2143, 5484),
    (23, "bear", "animal", 960, 1294),
    (24, "zebra", "animal", 1916, 5269),
    (25, "giraffe", "animal", 2546, 5128),
    (27, "backpack", "bag", 5528, 8714),
    (28, "umbrella", "bag", 3968, 11265),
    (31, "handbag", "bag", 6841, 12342),
    (32, "tie", "bag", 3810, 6448),
    (33, "suitcase", "bag", 2402, 6112),
    (34, "frisbee", "sport", 2184, 2681),
    (35, "skis", "sport", 3082, 6623),
    (36, "snowboard", "sport", 1654, 2681),
    (37, "sports ball", "sport", 4262, 6299),
    (38, "kite", "sport", 2261, 8802),
    (39, "baseball bat", "sport", 2506, 3273),
    (40, "baseball glove", "sport", 2629, 3747),
    (41, "skateboard", "sport", 3476, 5536),
    (42, "surfboard", "sport", 3486, 6095),
    (43, "tennis racket", "sport", 3394, 4807),
    (44, "bottle", "kitchen", 8501, 24070),
    (46, "wine glass", "meal", 2533, 7839),
    (47, "cup", "meal", 9189, 20574),
    (48, "fork", "meal", 3555, 5474),
    (49, "knife", "meal", 4326, 7760),
    (50, "spoon", "meal", 3529, 6159),
    (51, "bowl", "meal", 7111, 14323),
    (52, "banana", "meal", 2243, 9195),
    (53, "apple", "meal", 1586, 5776),
    (54, "sandwich", "meal", 2365, 4356),
    (55, "orange", "meal", 1699, 6302),
    (56, "broccoli", "meal", 1939, 7261),
    (57, "carrot", "meal", 1683, 7758),
    (58, "hot dog", "meal", 1222, 2884),
    (59, "pizza", "meal", 3166, 5807),
    (60, "donut", "meal", 1523, 7005),
    (61, "cake", "meal", 2925, 6296),
    (62, "chair", "living room", 12774, 38073),
    (63, "couch", "living room", 4423, 5779),
    (64, "potted plant", "living room", 4452, 8631),
    (65, "bed", "living room", 3682, 4192),
    (67, "dining table", "meal", 11837, 15695),
    (70, "toilet", "bathroom", 3353, 4149),
    (72, "tv", "living room", 4561, 5803),
    (73, "laptop", "office", 3524, 4960),
    (74, "mouse", "office", 1876, 2261),
    (75, "remote", "living room", 3076, 5700),
    (76, "keyboard", "office", 2115, 2854),
    (77, "cell phone", "office", 4803, 6422),
    (78, "microwave", "kitchen", 1547, 1672),
    (79, "oven", "kitchen", 2877, 3334),
    (80, "toaster", "kitchen", 217, 225),
    (81, "sink", "bathroom", 4678, 5609),
    (82, "refrigerator", "kitchen", 2360, 2634),
    (84, "book", "living room", 5332, 24077),
    (85, "clock", "living room", 4659, 6320),
    (86, "vase", "living room", 3593, 6577),
    (87, "scissors", "office", 947, 1464),
    (88, "teddy bear", "living room", 2140, 4729),
    (89, "hair drier", "bathroom", 189, 198),
    (90, "toothbrush", "bathroom", 1007, 1945),
)

# Scene, its share of the images, and the kinds of objects that belong there.
SCENES = (
    (0.20, {"street", "bag", "person"}),
    (0.07, {"travel", "bag", "person"}),
    (0.14, {"animal"}),
    (0.20, {"sport", "person"}),
    (0.15, {"meal", "kitchen"}),
    (0.05, {"kitchen", "bathroom"}),
    (0.11, {"living room", "person"}),
    (0.05, {"office", "living room"}),
    (0.03, {"bathroom"}),
)
AT_HOME = 25.0
"""How much more often an object lies in an image of its scene than in another."""


@dataclass(frozen=True)
class Made:
    """What a file holds.

    Attributes:
        image_ids: (N,) with gaps, in the file's order, which is not ascending.
        counts: (N, 80) boxes per image and class.
        crowds: (N,) class of the image's crowd, -1 without one.
    """

    image_ids: NDArray[np.int64]
    counts: NDArray[np.int64]
    crowds: NDArray[np.int64]


def make(images: int = IMAGES, seed: int = 0) -> Made:
    """Boxes per image and class; with fewer images all counts are smaller by the same factor."""
    rng = np.random.default_rng(seed)
    factor = images / IMAGES
    present = _present(images, factor, rng)
    counts = np.zeros(present.shape, dtype=np.int64)
    for column, (_, _, _, held, boxes) in enumerate(CLASSES):
        rows = np.flatnonzero(present[:, column])
        # Most images hold one object of a class, a few hold a herd.
        more = rng.negative_binomial(0.4, 0.4 / (0.4 + boxes / held - 1), len(rows))
        counts[rows, column] = 1 + np.minimum(more, 60)
    kinds = rng.integers(len(CLASSES), size=images)
    crowds = np.where(rng.random(images) < CROWD_SHARE, kinds, -1)
    image_ids = rng.permutation(np.sort(rng.choice(5 * images, images, replace=False)) + 9)
    return Made(image_ids.astype(np.int64), counts, crowds)


def _present(images: int, factor: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which image holds which class, (N, 80): exactly the stated number of images for each."""
    scenes = rng.choice(len(SCENES), size=images, p=[share for share, _ in SCENES])
    homes = np.array([[kind in kinds for _, _, kind, _, _ in CLASSES] for _, kinds in SCENES])
    weights = np.where(homes, AT_HOME, 1.0)
    # Some images show more than others.
    busy = rng.gamma(4.0, 1 / 4.0, images)
    empty = rng.permutation(images)[: round(EMPTY * factor)]
    present = np.zeros((images, len(CLASSES)), dtype=np.bool_)
    for column, (_, _, _, held, _) in enumerate(CLASSES):
        keys = rng.exponential(size=images) / (weights[scenes, column] * busy)
        keys[empty] = np.inf
        present[np.argsort(keys)[: max(round(held * factor), 3)], column] = True
    # What is empty by chance takes over a class of an image that has many.
    bare = np.setdiff1d(np.flatnonzero(~present.any(axis=1)), empty)
    rich = rng.permutation(np.flatnonzero(present.sum(axis=1) > 2))[: len(bare)]
    for poor, donor in zip(bare, rich, strict=False):
        column = rng.choice(np.flatnonzero(present[donor]))
        present[donor, column], present[poor, column] = False, True
    return present


def write(made: Made, path: Path) -> None:
    """Writes what was made as a COCO-format file without polygons, entry by entry."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write('{"info": {"description": "made"}, "licenses": [], "images": [')
        _write_entries(stream, _images(made))
        stream.write('], "annotations": [')
        _write_entries(stream, _boxes(made))
        stream.write('], "categories": [')
        kinds = ({"supercategory": kind, "id": id_, "name": n} for id_, n, kind, _, _ in CLASSES)
        _write_entries(stream, kinds)
        stream.write("]}\n")


def _write_entries(stream: Any, entries: Iterator[dict[str, Any]]) -> None:
    for number, entry in enumerate(entries):
        stream.write(", " * bool(number) + json.dumps(entry))


def _images(made: Made) -> Iterator[dict[str, Any]]:
    for id_ in made.image_ids.tolist():
        yield {"file_name": f"{id_:012d}.jpg", "height": 480, "width": 640, "id": id_}


def _boxes(made: Made) -> Iterator[dict[str, Any]]:
    box_id = 0
    rows, columns = np.nonzero(made.counts)
    single = (rows.tolist(), columns.tolist(), made.counts[rows, columns].tolist(), 0)
    groups = np.flatnonzero(made.crowds >= 0)
    crowds = (groups.tolist(), made.crowds[groups].tolist(), [1] * len(groups), 1)
    for images, kinds, numbers, crowd in (single, crowds):
        for row, column, count in zip(images, kinds, numbers, strict=True):
            for number in range(count):
                box_id += 3
                width, height = 20.5 + 7 * (box_id % 31), 18.25 + 5 * (box_id % 17)
                yield {
                    "area": width * height / 2,
                    "iscrowd": crowd,
                    "image_id": int(made.image_ids[row]),
                    "bbox": [1.5 + number, 2.75 + box_id % 90, width, height],
                    "category_id": CLASSES[column][0],
                    "id": box_id,
                }
