"""Detections in the COCO result format: reading and checking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from numbers import Integral
from pathlib import Path
from reprlib import repr as shown
from typing import Any, TypedDict

from gbss.errors import Faults, fail
from gbss.files import read_json
from gbss.schema import is_finite

_KEYS = ("image_id", "category_id", "bbox", "score")
_REMAKE = "write the detections again with `gbss detect`"


class Detection(TypedDict):
    """One detected box.

    Attributes:
        image_id: Id of the image in the annotation file.
        category_id: Id of the class in the annotation file (not the label used in training).
        bbox: x, y of the upper left corner, width, height, in pixels of the original image.
        score: Confidence; only its order matters.
    """

    image_id: int
    category_id: int
    bbox: list[float]
    score: float


def read_detections(
    source: Path | list[Any], *, images: Collection[int], categories: Collection[int]
) -> list[Detection]:
    """Reads detections and checks each of them.

    Args:
        source: A JSON file with a list of detections, or such a list. It is not changed.
        images: Ids of the images that may have detections.
        categories: Ids of the classes that may be detected.

    Returns:
        The detections in the order of the source, with only the four keys of `Detection`.

    Raises:
        GbssError: The file is missing, truncated or not a list, or any detection is wrong; all
            wrong ones are reported at once.
    """
    where = str(source) if isinstance(source, Path) else "detections"
    raw = read_json(source, what="list of detections") if isinstance(source, Path) else source
    if not isinstance(raw, list):
        raise fail(where, found=shown(raw), expected="a list of detections", fix=_REMAKE)
    known_images, known_categories = frozenset(images), frozenset(categories)
    strange_images: Counter[int] = Counter()
    strange_categories: Counter[int] = Counter()
    detections: list[Detection] = []
    with Faults() as faults:
        for number, entry in enumerate(raw):
            detection = _checked(entry, f"{where}: entry {number}", faults)
            if detection is None:
                continue
            detections.append(detection)
            if detection["image_id"] not in known_images:
                strange_images[detection["image_id"]] += 1
            if detection["category_id"] not in known_categories:
                strange_categories[detection["category_id"]] += 1
        # One fault for an id, not for a detection: a wrong file would repeat it thousands of times.
        for image, count in sorted(strange_images.items()):
            faults.add(
                f"{where}: image {image}",
                found=f"{count} detection(s) in an image that the annotation file does not have",
                expected="the images of the annotation file",
                fix="evaluate with the annotation file that the detections were made for",
            )
        for category, count in sorted(strange_categories.items()):
            faults.add(
                f"{where}: category {category}",
                found=f"{count} detection(s) of a category that is not evaluated",
                expected=f"category ids {shown(sorted(known_categories))}",
                fix="map the labels of training to the category ids of the annotation file",
            )
    return detections


def _checked(entry: Any, where: str, faults: Faults) -> Detection | None:
    """The detection in plain Python numbers, or None after its faults were noted."""
    missing = [key for key in _KEYS if not isinstance(entry, dict) or key not in entry]
    if missing:
        faults.add(
            where,
            found=f"no {', '.join(missing)}" if isinstance(entry, dict) else shown(entry),
            expected=f"an object with {', '.join(_KEYS)}",
            fix=_REMAKE,
        )
        return None
    before = len(faults)

    def refuse(key: str, expected: str) -> None:
        faults.add(where, found=f"{key} {shown(entry[key])}", expected=expected, fix=_REMAKE)

    for key in ("image_id", "category_id"):
        if not isinstance(entry[key], Integral) or isinstance(entry[key], bool):
            refuse(key, "an integer")
    if not is_finite(entry["score"]):
        refuse("score", "a finite number")
    box = entry["bbox"]
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(is_finite, box)):
        refuse("bbox", "[x, y, width, height], four finite numbers")
    elif box[2] < 0 or box[3] < 0:
        refuse("bbox", "width and height of at least 0")
    if len(faults) > before:
        return None
    return Detection(
        image_id=int(entry["image_id"]),
        category_id=int(entry["category_id"]),
        bbox=[float(side) for side in box],
        score=float(entry["score"]),
    )
