"""Annotation files of the size and in the format of COCO, LVIS v1 and Objects365 v2 train."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

POLYGONS = 997
"""How many polygons there are to choose from."""

IMAGE_ID, BOX_ID = (7_368_787, 1 << 21), (6_700_417, 1 << 41)
"""Factor and (power of two) modulus that turn 0, 1, 2, ... into ids in no order, each once."""


@dataclass(frozen=True)
class Case:
    """A file to make: sizes of the original, and the text of its entries.

    Attributes:
        images: Number of images.
        boxes: Number of boxes.
        classes: Number of classes.
        points: Corners of a polygon; 0: no polygons.
        image: Keys of an image and their values, with ``{id}`` and ``{name}``.
        box: Keys of an annotation, with ``{id}``, ``{image}``, ``{class}``, ``{x}``, ``{y}``,
            ``{w}``, ``{h}``, ``{area}`` and ``{polygon}``.
        parts: Order of the parts.
        indent: Whether every value has a line of its own.
    """

    images: int
    boxes: int
    classes: int
    points: int
    image: dict[str, str]
    box: dict[str, str]
    parts: tuple[str, ...] = ("info", "licenses", "images", "annotations", "categories")
    indent: bool = False


_ADDRESS = '"http://images.cocodataset.org/train2017/{name}"'
_TIMES = {"height": "480", "width": "640", "date_captured": '"2013-11-14 16:28:13"'}
_FLICKR = {"flickr_url": '"http://farm4.staticflickr.com/3153/2970773875_164f0c0b83_z.jpg"'}
_BOX = "[{x}, {y}, {w}, {h}]"
_COCO_IMAGE = {"license": "3", "file_name": '"{name}"', "coco_url": _ADDRESS} | _TIMES | _FLICKR
_COCO_BOX = {
    "segmentation": "[{polygon}]",
    "area": "{area}",
    "iscrowd": "0",
    "image_id": "{image}",
    "bbox": _BOX,
    "category_id": "{class}",
    "id": "{id}",
}
_LVIS_IMAGE = _TIMES | _FLICKR | {"coco_url": _ADDRESS, "license": "2", "id": "{id}"}
_LVIS_IMAGE |= {"neg_category_ids": "[5, 41, 17]", "not_exhaustive_category_ids": "[29]"}
_LVIS_BOX = {key: _COCO_BOX[key] for key in _COCO_BOX if key != "iscrowd"}
_OBJECTS_NAME = '"images/v1/patch8/objects365_v1_{name}"'
_OBJECTS_IMAGE = {"height": "480", "id": "{id}", "license": "5", "width": "640"}
_OBJECTS_IMAGE |= {"file_name": _OBJECTS_NAME, "url": '""'}
_OBJECTS_BOX = {"id": "{id}", "iscrowd": "0", "isfake": "0", "area": "{area}", "isreflected": "0"}
_OBJECTS_BOX |= {
    "bbox": "[{x}00000762939, {y}00000305176, {w}00001525879, {h}00003051758]",
    "image_id": "{image}",
    "category_id": "{class}",
}

CASES = {
    "coco": Case(118_287, 860_001, 80, 22, _COCO_IMAGE | {"id": "{id}"}, _COCO_BOX),
    "coco-indented": Case(
        118_287,
        860_001,
        80,
        22,
        dict(sorted((_COCO_IMAGE | {"id": "{id}"}).items())),
        dict(sorted(_COCO_BOX.items())),
        indent=True,
    ),
    "lvis": Case(
        100_170,
        1_270_141,
        1203,
        48,
        _LVIS_IMAGE,
        _LVIS_BOX,
        parts=("info", "annotations", "images", "licenses", "categories"),
    ),
    "objects365": Case(1_742_292, 27_000_000, 365, 0, _OBJECTS_IMAGE, _OBJECTS_BOX),
}


def make(case: Case, scale: float, path: Path) -> None:
    """Writes a file; the same bytes every time."""
    images, boxes = round(case.images * scale), round(case.boxes * scale)
    rng = random.Random(len(case.box))
    texts: dict[str, Iterator[str] | str] = {
        "info": '{"description": "made"}',
        "licenses": '[{"id": 1, "name": "none", "url": ""}]',
        "images": _images(case, images),
        "annotations": _boxes(case, images, boxes, rng),
        "categories": (f'{{"id": {3 * k + 2}, "name": "class {k}"}}' for k in range(case.classes)),
    }
    comma = ",\n" if case.indent else ", "
    with path.open("w", encoding="ascii") as stream:
        for number, part in enumerate(case.parts):
            text = texts[part]
            stream.write(("{" if number == 0 else comma) + f'"{part}": ')
            if isinstance(text, str):
                stream.write(text)
            else:
                stream.write("[" + next(text))
                stream.writelines(comma + entry for entry in text)
                stream.write("]")
        stream.write("}\n")


def _template(keys: dict[str, str], *, indent: bool) -> str:
    """An entry as a format string."""
    space, end = ("\n    ", "\n  ") if indent else (" ", "")
    pairs = [f'"{key}": {value}' for key, value in keys.items()]
    text = f",{space}".join(pairs).replace(", ", f",{space}" if indent else ", ")
    return "{{" + (space if indent else "") + text + end + "}}"


def _images(case: Case, count: int) -> Iterator[str]:
    entry = _template(case.image, indent=case.indent).format
    factor, modulus = IMAGE_ID
    for number in range(count):
        id_ = number * factor % modulus
        yield entry(id=id_, name=f"{id_:012d}.jpg")


def _boxes(case: Case, images: int, count: int, rng: random.Random) -> Iterator[str]:
    entry = _template(case.box, indent=case.indent).format
    comma = ",\n      " if case.indent else ", "
    polygons = [
        "[" + comma.join(f"{rng.uniform(0, 640):.2f}" for _ in range(2 * case.points)) + "]"
        for _ in range(POLYGONS)
    ]
    (image_factor, image_modulus), (factor, modulus) = IMAGE_ID, BOX_ID
    for number in range(count):
        w, h = 2 + 300 * rng.random() ** 2, 2 + 200 * rng.random() ** 2
        yield entry(
            id=number * factor % modulus,
            image=int(images * rng.random()) * image_factor % image_modulus,
            # A long tail, in which no class is left without boxes.
            **{"class": 3 * int(case.classes * rng.random() ** 2) + 2},
            x=f"{rng.random() * (639 - w):.2f}",
            y=f"{rng.random() * (479 - h):.2f}",
            w=f"{w:.2f}",
            h=f"{h:.2f}",
            area=w * h / 2,
            polygon=polygons[number % POLYGONS],
        )
