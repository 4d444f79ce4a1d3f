import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gbss.splits.annotations import Annotations, read
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
