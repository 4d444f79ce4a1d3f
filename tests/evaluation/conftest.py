"""A small made-up data set with what real ones have: gaps, crowds, empty classes and images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLASSES = {3: "kite", 7: "bus", 8: "cat", 12: "toaster", 40: "dog"}
"""Category id → name; no box of "cat" exists, and the rarest class ("bus") is not the last."""

IMAGES = (5, 6, 11, 30, 31, 90)
"""Image ids; 31 has no boxes."""


@pytest.fixture
def truth() -> dict[str, Any]:
    """Ground truth in COCO format, without 'info', 'licenses' and 'segmentation'."""
    random = np.random.default_rng(4)
    boxes = []
    for category, count in {3: 9, 7: 2, 12: 5, 40: 14}.items():
        for _ in range(count):
            x, y, width, height = (float(v) for v in random.uniform([0, 0, 9, 7], [60, 50, 40, 44]))
            boxes.append(
                {
                    "id": 10 + 3 * len(boxes),
                    "image_id": int(random.choice([5, 6, 11, 30, 90])),
                    "category_id": category,
                    "bbox": [x, y, width, height],
                    "area": 0.7 * width * height,
                    "iscrowd": 0,
                }
            )
    boxes[4]["iscrowd"] = boxes[-2]["iscrowd"] = 1
    return {
        "images": [
            {"id": id_, "file_name": f"{id_}.png", "width": 128, "height": 96} for id_ in IMAGES
        ],
        "annotations": boxes,
        "categories": [{"id": id_, "name": name} for id_, name in reversed(CLASSES.items())],
    }


@pytest.fixture
def truth_file(truth: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "val.json"
    path.write_text(json.dumps(truth))
    return path


@pytest.fixture
def found(truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Detections: most boxes moved a little, some missed, some of the wrong class or of nothing."""
    random = np.random.default_rng(9)
    detections = []
    for box in truth["annotations"]:
        for _ in range(int(random.integers(0, 3))):
            wrong = random.random() < 0.2
            category = int(random.choice(list(CLASSES))) if wrong else box["category_id"]
            moved = np.array(box["bbox"]) * random.uniform(0.88, 1.12, 4)
            detections.append(
                {
                    "image_id": box["image_id"],
                    "category_id": category,
                    "bbox": moved.tolist(),
                    "score": float(random.random()),
                }
            )
    detections.append(
        {"image_id": 31, "category_id": 8, "bbox": [1.0, 2.0, 30.0, 20.0], "score": 0.8}
    )
    return detections
