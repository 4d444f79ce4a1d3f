import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gbss.splits import stream
from gbss.splits.annotations import Annotations, read
from gbss.splits.class_map import join, map_classes
from gbss.splits.recipe import Recipe

CATEGORIES = {2: "ant", 3: "bee", 7: "cat", 8: "dog", 13: "eel"}
"""Ids with gaps; the minority, bee and dog, is neither first nor last."""


@pytest.fixture
def coco() -> dict[str, Any]:
    """90 images of five classes: ids with gaps and out of order, crowds, empty images."""
    rng = np.random.default_rng(4)
    images, annotations = [], []
    for number in range(90):
        image_id = 7 * number + 5
        images.append(
            {
                "id": image_id,
                "file_name": f"set/{image_id}.png",
                "width": 40 + number,
                "height": 50,
                "license": 1,
            }
        )
        for _ in range(int(rng.integers(0, 5))):
            category_id = int(rng.choice([2, 3, 7, 8, 13], p=[0.3, 0.25, 0.15, 0.1, 0.2]))
            annotations.append(
                {
                    "id": 3 * len(annotations) + 4,
                    "image_id": image_id,
                    "category_id": category_id,
                    "bbox": [1.5, 2, int(rng.integers(3, 20)), 9.25],
                    "area": 20.5,
                    "iscrowd": int(rng.random() < 0.1),
                    "segmentation": [[1, 2, 3, 4, 5, 6]],
                }
            )
    categories = [
        {"id": id_, "name": name, "supercategory": "x"} for id_, name in CATEGORIES.items()
    ]
    return {
        "images": images[::-1],
        "annotations": annotations[::-1],
        "categories": categories[::-1],
    }


@pytest.fixture
def write(tmp_path) -> Callable[[Any], Path]:
    """Writes an annotation file."""

    def write(content: Any) -> Path:
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.fixture
def annotations(coco, write) -> Annotations:
    return read(write(coco))


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(minority=("bee", "dog"), share=0.2, shots=4, cap=6, seed=1)


@pytest.fixture
def both(annotations) -> Annotations:
    """A data set beside the same one, which is labeled in full for all but the minority."""
    to = {name: None if name in ("bee", "dog") else name for name in annotations.names}
    ids = annotations.category_ids
    mapped = map_classes(annotations, to, annotations.names, ids).annotations
    return join(annotations, mapped, ("a", "b"))


RLE = {"counts": [3, 5, 7], "size": [10, 20]}


@pytest.fixture(scope="session")
def small() -> Callable[[], dict[str, Any]]:
    """Makes a valid file with every key that is read, in every form, and some that are not."""

    def small() -> dict[str, Any]:
        images = [
            {"id": 40, "file_name": "set/a.jpg", "width": 64, "height": 48, "license": 3},
            {"id": 7, "file_name": "b ü 😀.png", "width": 31, "height": 97, "x": {"y": [{}, {}]}},
            {"id": 2**62 + 1, "file_name": "c.jpg", "width": 200, "height": 100},
            {"id": 12, "file_name": "d.jpg", "width": 10, "height": 20, "coco_url": None},
        ]
        boxes = [
            (900100581904, 7, 9, [1.5, 2, 7, 8.25], 20.5, {"iscrowd": 1, "segmentation": RLE}),
            (3, 2**62 + 1, 5, [0, 0, 0.5, 30], 15, {"segmentation": [[1, 2, 3.5, 4, 5, 6]]}),
            (17, 40, 5, [3.25, 4.125, 20, 30.5], 333.3, {"ignore": 1, "iscrowd": 0}),
            (
                2**62,
                2**62 + 1,
                2,
                [12.1, 0.30000000000000004, 60, 20],
                1e3,
                {"note": '}, {"id": 3'},
            ),
            (8, 40, 9, [10, 10, 0, 4], 0, {"parts": [{"id": 1}, {"id": 2}]}),
            (21, 40, 2, [10, 10, 5, 4], 12, {}),
            (22, 7, 2, [4, 10, 5, 4], 12, {"isfake": 0}),
        ]
        keys = ("id", "image_id", "category_id", "bbox", "area")
        return {
            "info": {"year": 2017},
            "licenses": [{"id": 1}, 5, "a", [1]],
            "images": images,
            "annotations": [dict(zip(keys, box, strict=False)) | box[5] for box in boxes],
            "categories": [
                {"id": 9, "name": "cat"},
                {"id": 2, "name": "Zürich", "supercategory": "town"},
                {"id": 5, "name": "ant"},
            ],
            "version": 1.5,
        }

    return small


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[int], AbstractContextManager[None]]:
    """Makes a context in which files are read in blocks of so many bytes."""

    @contextmanager
    def blocks_of(size: int) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stream, "BLOCK", size)
            patch.setattr(stream, "SMALL_BLOCK", max(1, size // 4))
            patch.setattr(stream, "FIRST_TRY", max(1, size // 8))
            yield

    return blocks_of
