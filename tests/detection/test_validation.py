import json
import math

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from gbss.detection.validation import TeacherAP
from gbss.evaluation.groups import group_means
from gbss.evaluation.per_class import evaluate

CATEGORIES = {4: "owl", 9: "wren", 11: "tit", 30: "jay"}
TRUTH = {3: [(4, (10, 20, 33, 21)), (9, (40, 8, 25, 50))], 7: [], 20: [(11, (5, 6, 31, 17))]}
"""Image id → category id and x, y, width, height; nothing is a jay."""

FOUND = {
    3: [(4, (11, 20, 33, 20), 0.9), (11, (40, 8, 25, 50), 0.8), (9, (52, 8, 13, 50), 0.4)],
    7: [],
    20: [(11, (5, 6, 31, 17), 0.3), (30, (50, 50, 9, 12), 0.7)],
}
GROUPS = {"majority": ["owl", "tit"], "minority": ["wren"], "unseen": ["jay"]}


@pytest.fixture
def annotation_file(tmp_path):
    boxes = [(image, *box) for image, found in TRUTH.items() for box in found]
    content = {
        # Neither in the order of their ids.
        "images": [
            {
                "id": image,
                "file_name": f"{image}.png",
                "width": 90,
                "height": 70,
                "neg_category_ids": [30] if image == 20 else [],
                "not_exhaustive_category_ids": [],
            }
            for image in reversed(TRUTH)
        ],
        "categories": [{"id": key, "name": name} for key, name in reversed(CATEGORIES.items())],
        "annotations": [
            {
                "id": 50 - number,
                "image_id": image,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for number, (image, category, box) in enumerate(boxes)
        ],
    }
    path = tmp_path / "val.json"
    path.write_text(json.dumps(content))
    return path


def sample(image):
    """What a detector says of an image: labels are positions of classes, boxes have corners."""
    found = FOUND[image]
    boxes = torch.tensor([box for _, box, _ in found]).float().reshape(-1, 4)
    instances = InstanceData(
        labels=torch.tensor([list(CATEGORIES).index(kind) for kind, _, _ in found]).long(),
        bboxes=torch.cat((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), dim=1),
        scores=torch.tensor([score for _, _, score in found]).float(),
    )
    return DetDataSample(metainfo={"img_id": image}, pred_instances=instances)


@pytest.mark.parametrize("protocol", ["coco", "lvis"])
def test_ap_is_that_of_the_evaluation_of_a_file_of_detections(annotation_file, protocol):
    evaluator = Evaluator(TeacherAP(str(annotation_file), GROUPS, protocol))
    evaluator.dataset_meta = {"classes": tuple(CATEGORIES.values())}
    for images in ([20, 3], [7]):
        evaluator.process([sample(image) for image in images])
    aps = evaluator.evaluate(len(FOUND))

    detections = [
        {
            "image_id": image,
            "category_id": category,
            "bbox": list(box),
            "score": float(np.float32(score)),
        }
        for image, found in FOUND.items()
        for category, box, score in found
    ]
    expected = group_means(evaluate(annotation_file, detections, protocol=protocol), GROUPS)
    assert 0 < expected["minority"].ap < expected["all"].ap < expected["majority"].ap < 1
    assert {group for group in aps if math.isnan(aps[group])} == {"AP/unseen"}
    for group in ("all", "majority", "minority"):
        assert aps[f"AP/{group}"] == expected[group].ap


def test_images_without_any_detection_have_an_ap_of_zero(annotation_file, monkeypatch):
    monkeypatch.setitem(FOUND, 3, [])
    monkeypatch.setitem(FOUND, 20, [])
    evaluator = Evaluator(TeacherAP(str(annotation_file), GROUPS))
    evaluator.dataset_meta = {"classes": tuple(CATEGORIES.values())}
    evaluator.process([sample(image) for image in FOUND])
    assert evaluator.evaluate(len(FOUND))["AP/all"] == 0
