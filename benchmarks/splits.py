"""The draw of coco-split1 and split2 on a made file with the class statistics of COCO train2017.

``python benchmarks/splits.py [--images 118287] [--seeds 1] [--keep FOLDER]``
makes the annotation file, reads it, draws each split for each seed and prints how near the draw
came to the counts that the released code states: the total, how many minority classes are at their
number of images, the median and the largest deviation of the majority classes, and the same for the
boxes of the minority; then the seconds of the draw, on the clock and of the processor. "By share"
draws base images at random, without a look at the counts, for comparison. The made file stays in
the folder to keep.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from made import coco

from gbss import tasks
from gbss.splits.annotations import Annotations, read
from gbss.splits.build import build_split
from gbss.splits.files import render_lists
from gbss.splits.recipe import Recipe
from gbss.splits.verify import verify_split

HEAD = "split                 seed  labeled  few-shot  min exact  maj median  maj worst  min boxes"


def row(name: str, annotations: Annotations, recipe: Recipe, folder: Path) -> str:
    """Draws a split, writes and verifies it, and says how near it is."""
    start, begun = time.perf_counter(), time.process_time()
    split = build_split(annotations, recipe)
    seconds, processor = time.perf_counter() - start, time.process_time() - begun
    lists = folder / f"{name}-{recipe.seed}".replace(" ", "-")
    lists.mkdir()
    for file, text in render_lists(split, annotations).items():
        (lists / file).write_text(text, encoding="utf-8")
    verify_split(annotations, recipe, lists)
    counts = list(csv.DictReader((lists / "counts.csv").read_text().splitlines()))
    off = {
        group: [abs(float(each["deviation_percent"])) for each in counts if each["group"] == group]
        for group in ("majority", "minority")
    }
    boxes = [
        100 * abs(int(each["deviation_boxes"])) / int(each["target_boxes"])
        for each in counts
        if each["group"] == "minority"
    ]
    return (
        f"{name:20s}  {recipe.seed:4d}  {len(split.base) + len(split.few_shot):7d}"
        f"  {len(split.few_shot):8d}  {sum(each == 0 for each in off['minority']):3d} of"
        f" {len(off['minority']):2d}  {median(off['majority']):8.2f} %"
        f"  {max(off['majority']):7.2f} %  {median(boxes):7.2f} %"
        f"  {seconds:7.1f} s  {processor:5.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=coco.IMAGES)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = (options.keep or folder) / "instances_train2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        coco.write(coco.make(options.images), path)
        made = time.perf_counter()
        annotations = read(path, classes=tasks.get("coco-split1").classes)
        print(
            f"{len(annotations.image_ids)} images, {annotations.counted.sum()} boxes and "
            f"{annotations.crowd.sum()} crowds, {path.stat().st_size / 1e6:.0f} MB; made in "
            f"{made - start:.1f} s, read in {time.perf_counter() - made:.1f} s"
        )
        print(f"{HEAD}  seconds      CPU")
        factor = options.images / coco.IMAGES
        for task in ("coco-split1", "coco-split2"):
            for seed in range(options.seeds):
                recipe = tasks.get(task).recipe.scaled(factor)
                print(row(task, annotations, replace(recipe, seed=seed), folder), flush=True)
            chance = replace(recipe, labeled=None)
            print(row(f"{task} by share", annotations, chance, folder), flush=True)


if __name__ == "__main__":
    main()
