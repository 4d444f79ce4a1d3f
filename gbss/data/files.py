"""Embedded data on disk: PNG images and COCO-format annotation files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gbss.data.drawing import Drawing, Subset
from gbss.data.federation import federate
from gbss.data.scenes import Scene, render
from gbss.files import atomic_path, write_json
from gbss.progress import track


def draw(drawing: Drawing, folder: Path, progress: bool = True) -> None:
    """Writes ``folder/{train,val}.json`` and ``folder/{train,val}/<image id>.png``.

    A second data set of the drawing goes to ``folder/source``, in the same way.

    A subset that is complete and of the same drawing is left alone. The annotation file is removed
    first and written last: where it stands, its images are complete.

    Args:
        drawing: What to draw.
        folder: Where to; made if missing.
        progress: Whether to tell on standard error how far it got.
    """
    if drawing.source is not None:
        draw(drawing.source, folder / "source", progress)
    for stream, (name, subset) in enumerate({"train": drawing.train, "val": drawing.val}.items()):
        annotations, images = folder / f"{name}.json", folder / name
        if subset is None or _complete(drawing, annotations, images):
            continue
        annotations.unlink(missing_ok=True)
        images.mkdir(parents=True, exist_ok=True)
        content = _head(drawing)
        for number in track(range(subset.scenes), f"drawing {images}", shown=progress):
            scene, entry, boxes = _scene(drawing, subset, stream, number)
            with atomic_path(images / entry["file_name"]) as beside:
                Image.fromarray(scene.pixels).save(beside, compress_level=1)
            content["images"].append(entry)
            content["annotations"] += boxes
        write_json(annotations, content, indent=None)


def _scene(
    drawing: Drawing, subset: Subset, stream: int, number: int
) -> tuple[Scene, dict[str, Any], list[dict[str, Any]]]:
    """Scene ``number`` of a subset with its COCO image entry and annotations.

    Everything, ids included, comes from this scene's own seed sequence, so it does not depend on
    how many scenes are drawn.
    """
    key = [drawing.seed, stream, number]
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
    scene = render(drawing, subset, rng)
    # Ascending ids with gaps, as in COCO: one of three per scene, some of a block per annotation.
    image_id = 3 * number + int(rng.integers(1, 4))
    block = 2 * (len(drawing.counts) + 1)
    chosen = np.sort(rng.permutation(block)[: len(scene.objects)]) + block * number + 1
    entry = {
        "id": image_id,
        "file_name": f"{image_id:06d}.png",
        "width": drawing.side,
        "height": drawing.side,
    }
    boxes: list[dict[str, Any]] = [
        {
            "id": int(annotation_id),
            "image_id": image_id,
            "category_id": each.kind.category_id,
            "bbox": list(each.box),
            "area": each.area,
            "iscrowd": int(each.crowd),
            "segmentation": [],
        }
        for annotation_id, each in zip(chosen, scene.objects, strict=True)
    ]
    if drawing.federation is not None:
        entry, boxes = federate(drawing, entry, boxes, key)
    return scene, entry, boxes


def _head(drawing: Drawing) -> dict[str, Any]:
    """A COCO annotation file without images."""
    return {
        "info": {"description": "embedded data of gbss", "drawing": drawing.digest()},
        "categories": [
            {"id": kind.category_id, "name": kind.name, "supercategory": kind.shape}
            for kind in drawing.classes
        ],
        "images": [],
        "annotations": [],
    }


def _complete(drawing: Drawing, annotations: Path, images: Path) -> bool:
    """Whether a subset of exactly this drawing is there, with all its images."""
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
        if content["info"]["drawing"] != drawing.digest():
            return False
        return all((images / entry["file_name"]).is_file() for entry in content["images"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
