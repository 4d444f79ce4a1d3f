"""The transforms of a detector's views and of testing, at a scale's image sizes."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

IMAGE_SCALES: dict[str, dict[str, Any]] = {
    "resnet50": {
        "train": [(1333, 400), (1333, 1200)],
        "unbiased": [(1333, side) for side in range(640, 801, 32)],
        "test": (1333, 800),
    },
    # Embedded scenes have 128 x 128 pixels.
    "small": {"train": [(128, 128), (128, 128)], "unbiased": [(128, 128)], "test": (128, 128)},
}
"""Base detector → range of the training views' sizes, the sizes that Unbiased Teacher's are chosen
from, and size of test images, in pixels."""

WITHOUT: dict[str, dict[str, tuple[str, ...]]] = {"small": {"labeled": ("RandAugment",)}}
"""Base detector → view → transforms that are left out.

A detector that is to know its labeled images by heart gets there within the demo's schedule only if
they look the same each time (docs/decisions/0001).
"""


def pipelines(base: Config, detector: str, semi: str) -> dict[str, list[dict[str, Any]]]:
    """Mmdet's Soft Teacher pipelines with our image loading and the detector's image sizes.

    Unbiased Teacher has views of its own.

    Args:
        base: mmdet's Soft Teacher configuration.
        detector: Key of `IMAGE_SCALES`.
        semi: The detector of the row.

    Returns:
        ``labeled``, ``unlabeled`` and ``test``.
    """
    found = _soft_teacher(base, detector)
    if semi == "unbiased_teacher":
        found |= _unbiased_teacher(detector)
    elif semi == "supervised":
        # A branch that no image has could not be made into a batch.
        found["labeled"][-1]["branch_field"] = ["sup"]
    return found


def _unbiased_teacher(detector: str) -> dict[str, list[dict[str, Any]]]:
    """Unbiased Teacher's views: weak and strong ones share their geometry."""
    sizes = IMAGE_SCALES[detector]["unbiased"]
    geometry: list[dict[str, Any]] = [
        {"type": "RandomChoiceResize", "scales": sizes, "keep_ratio": True},
        {"type": "RandomFlip", "prob": 0.5},
    ]
    facts = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    keys = (*facts, "flip", "flip_direction", "homography_matrix")
    weak: list[dict[str, Any]] = [{"type": "PackDetInputs", "meta_keys": keys}]
    strong = [{"type": "gbss.detection.photometric.StrongPhotometric"}, *weak]
    branches = {
        "type": "MultiBranch",
        "branch_field": ["sup", "sup_weak", "unsup_teacher", "unsup_student"],
    }
    load: dict[str, Any] = {"type": "gbss.detection.dataset.LoadImage"}
    return {
        "labeled": [
            load,
            {"type": "LoadAnnotations", "with_bbox": True},
            *geometry,
            {"type": "FilterAnnotations", "min_gt_bbox_wh": (1e-2, 1e-2)},
            branches | {"sup": strong, "sup_weak": weak},
        ],
        "unlabeled": [
            load,
            {"type": "LoadEmptyAnnotations"},
            *geometry,
            branches | {"unsup_teacher": weak, "unsup_student": strong},
        ],
    }


def _soft_teacher(base: Config, detector: str) -> dict[str, list[dict[str, Any]]]:
    labeled, unlabeled = base.train_dataloader.dataset.datasets
    found = {
        "labeled": labeled.pipeline,
        "unlabeled": unlabeled.pipeline,
        "test": base.test_dataloader.dataset.pipeline,
    }
    without = WITHOUT.get(detector, {})
    return {
        name: [
            step
            for step in _adapt(_plain(steps), detector)
            if step["type"] not in without.get(name, ())
        ]
        for name, steps in found.items()
    }


def _plain(value: Any) -> Any:
    """Configuration objects as plain dicts and lists; tuples stay tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value


def _adapt(step: Any, detector: str) -> Any:
    """A transform, or a list of them at any depth, with loading and sizes replaced."""
    if isinstance(step, list):
        return [_adapt(item, detector) for item in step]
    if not isinstance(step, dict):
        return step
    adapted = {key: _adapt(item, detector) for key, item in step.items()}
    match step.get("type"):
        case "LoadImageFromFile":
            adapted["type"] = "gbss.detection.dataset.LoadImage"
        case "RandomResize":
            adapted["scale"] = IMAGE_SCALES[detector]["train"]
        case "Resize":
            adapted["scale"] = IMAGE_SCALES[detector]["test"]
    return adapted
