"""Reading and splitting annotation files of full scale, beside the usual way, in one run.

``python benchmarks/annotations.py [--scale 1] [--cases coco lvis objects365] [--folder build]``
makes files of the size and in the format of COCO train2017, LVIS v1 train and Objects365 v2 train
(and COCO's once more, indented and with sorted keys; ids are neither consecutive nor in order), and
prints seconds and peak memory of

- plain: reading the file, and nothing else;
- ours: `gbss.splits.annotations.read`, with all checks and the file's SHA-256;
- usual: ``json.load`` and the index of pycocotools, as in the released scripts; left out where it
  would not fit in memory;
- split: ours, a draw, and the four files that a split writes.

Each runs in a fresh process; the made files are removed. Needs Linux's /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pycocotools.coco import COCO

from gbss.splits.annotations import read
from gbss.splits.build import build_split
from gbss.splits.coco_files import write_validation
from gbss.splits.files import write_split
from gbss.splits.recipe import Recipe

GIB = 1 << 30
BLOCK = 1 << 20
POLYGONS = 997
"""How many polygons there are to choose from."""

USUAL_MEMORY = 11
"""Bytes of memory that the usual way takes per byte of a file, about."""

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


def plain(path: Path) -> None:
    with path.open("rb") as stream:
        while stream.read(BLOCK):
            pass


def ours(path: Path) -> None:
    read(path)


def usual(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        COCO(path)


def split(path: Path) -> None:
    annotations = read(path)
    recipe = Recipe(minority=annotations.names[-len(annotations.names) // 4 :])
    drawn = build_split(annotations, recipe)
    folder = path.parent / "split"
    write_split(drawn, annotations, lists=folder / "lists", coco=folder)
    write_validation(annotations, folder / "val.json")
    shutil.rmtree(folder)


def measured(name: str, path: Path) -> tuple[float, float]:
    """Seconds and peak memory (GiB) of a way in a fresh process, its imports left out."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (name, path))


def _measured(name: str, path: Path) -> tuple[float, float]:
    start = time.perf_counter()
    {"plain": plain, "ours": ours, "usual": usual, "split": split}[name](path)
    seconds = time.perf_counter() - start
    # getrusage would not do: a child starts with its parent's peak.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line[:6] == "VmHWM:")
    return seconds, peak * 1024 / GIB


def available() -> int:
    """Bytes of memory that are free for use."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line[:13] == "MemAvailable:") * 1024


def compare(name: str, path: Path) -> None:
    size = path.stat().st_size
    print(f"{name}: {size / 1e6:,.0f} MB")
    plain(path)  # Into the system's cache, if it fits.
    base, (seconds, peak) = measured("plain", path), measured("ours", path)
    print(f"  plain  {base[0]:8.2f} s")
    print(f"  ours   {seconds:8.2f} s {peak:7.2f} GiB   {seconds / base[0]:5.1f}x plain")
    if USUAL_MEMORY * size > available():
        need, free = USUAL_MEMORY * size / GIB, available() / GIB
        print(f"  usual  left out: needs about {need:.0f} GiB, and {free:.0f} GiB are free")
    else:
        slow, large = measured("usual", path)
        ratios = f"{slow / seconds:5.1f}x the time, {large / peak:.1f}x the memory of ours"
        print(f"  usual  {slow:8.2f} s {large:7.2f} GiB   {ratios}")
    seconds, peak = measured("split", path)
    print(
        f"  split  {seconds:8.2f} s {peak:7.2f} GiB   {seconds / base[0]:5.1f}x plain", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    for name in arguments.cases:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            path = Path(folder) / f"{name}.json"
            make(CASES[name], arguments.scale, path)
            compare(name, path)


if __name__ == "__main__":
    main()
