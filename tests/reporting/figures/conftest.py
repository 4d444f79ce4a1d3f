"""Two seeds of a few rows on mini-coco, made up: everything that runs leave, in a moment."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imsave

from gbss import tasks
from gbss.evaluation import record
from gbss.evaluation.class_logits import ClassLogits, write_class_logits
from gbss.evaluation.detections import read_detections, write_columns
from gbss.evaluation.per_class import PerClass
from gbss.evaluation.pseudo_labels import PseudoLabels, write_pseudo_labels
from gbss.experiments import load_experiments
from gbss.grid import Grid
from gbss.reporting.figure import drawing, study_of
from gbss.reporting.figures.saving import write_numbers
from gbss.scales import load_scale

ROWS = ("soft-teacher-rfs", "gbss-gbr", "gbss", "soft-teacher")
SEEDS = (1, 2)
IMAGES = tuple(range(3, 45, 3))
STEPS = (4, 8, 12)
CATEGORIES = (1, 2, 4, 5, 8, 9, 13, 14, 17, 18, 21, 25)
MINORITY = ("horizontal disc", "horizontal square", "horizontal triangle", "horizontal cross")


class World:
    """What there is to draw from, with the numbers it was made of.

    Attributes:
        grid: The smoke scale.
        results: Folder of results.
        logs: (row, seed) → training log.
        detections: (row, seed) → list of detections of the validation images.
        truth: Annotation file of the validation and, here, of the unlabeled images.
        logits: (row, seed) → `ClassLogits`.
        ap: (row, seed) → (12,) AP.
        boxes: Class → labeled boxes.
    """

    def __init__(self, folder):
        self.grid = Grid(load_scale("smoke"), load_experiments())
        self.task = tasks.get("mini-coco")
        self.results = folder / "results"
        self.folder = folder
        self.random = np.random.default_rng(8)
        self.logs, self.detections, self.logits, self.ap = {}, {}, {}, {}
        self.truth = self._truth()
        self._write_split()
        for row in ROWS:
            for seed in SEEDS:
                self._write_run(row, seed)

    def _truth(self):
        boxes = []
        for number, image in enumerate(IMAGES):
            for _ in range(number % 4):
                x, y, width, height = self.random.uniform([0, 0, 20, 20], [60, 60, 60, 60])
                boxes.append(
                    {
                        "id": 5 + 2 * len(boxes),
                        "image_id": image,
                        "category_id": int(self.random.choice(CATEGORIES[:-1])),
                        "bbox": [x, y, width, height],
                        "area": width * height,
                        "iscrowd": 0,
                    }
                )
        return {
            "images": [
                {"id": image, "file_name": f"{image}.png", "width": 128, "height": 128}
                for image in IMAGES
            ],
            "categories": [
                {"id": id_, "name": name}
                for id_, name in zip(CATEGORIES, self.task.classes, strict=True)
            ],
            "annotations": boxes,
        }

    def _write_split(self):
        split, lists = self.folder / "build/splits/mini-coco", self.folder / "splits/mini-coco"
        split.mkdir(parents=True)
        lists.mkdir(parents=True)
        for name in ("val.json", "unlabeled_hidden.json"):
            (split / name).write_text(json.dumps(self.truth))
        self.boxes = {name: 5 + 3 * place for place, name in enumerate(self.task.classes)}
        lines = [f"{name},{count}" for name, count in self.boxes.items()]
        (lists / "counts.csv").write_text("name,labeled_boxes\n" + "\n".join(lines) + "\n")
        images = self.folder / "build/data/mini-coco/val"
        images.mkdir(parents=True)
        for image in IMAGES:
            imsave(images / f"{image}.png", self.random.uniform(size=(128, 128, 3)))

    def _write_run(self, row, seed):
        key, random = (row, seed), self.random
        (place,) = (
            p for p in self.grid.places([self.grid.experiments.rows[row]]) if p.seed == seed
        )
        place.folder.mkdir(parents=True)
        steps = len(STEPS)
        self.logs[key] = {
            "iteration": np.array(STEPS),
            "positive": random.uniform(1, 2, (steps, 2, 13)),
            "negative": random.uniform(1, 2, (steps, 2, 13)),
            "weights": random.uniform(0.5, 2, (steps, 13)),
            "thresholds": random.uniform(0.5, 0.9, (steps, 12)),
            "class_repeats": random.uniform(1, 4, (steps, 12)),
            "images_by_copies": random.integers(0, 9, (steps, 16)) + np.eye(16, dtype=int)[0],
        }
        np.savez(place.training_log, **self.logs[key])
        settings = self.grid.scale.settings(self.grid.experiments.rows[row])
        place.manifest.write_text(json.dumps({"settings": settings}))
        self._write_losses(place.folder)
        self.detections[key] = self._found()
        write_columns(place.detections, read_detections(self.detections[key]))
        columns = {
            name: [each[name] for each in self.detections[key]] for name in self.detections[key][0]
        }
        write_pseudo_labels(
            place.pseudo_labels,
            PseudoLabels(
                sample=np.array(IMAGES[:9]),
                of=len(IMAGES),
                thresholds=self.logs[key]["thresholds"][-1],
                **self._in_sample(columns),
            ),
        )
        logits = random.normal(size=(12, 13))
        logits[11] = np.nan
        self.logits[key] = ClassLogits(
            objects=np.array([*random.integers(1, 9, 11), 0]),
            logits=logits,
            scores=np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
            bias=random.normal(size=13),
            norms=random.uniform(size=13),
        )
        write_class_logits(place.class_logits, self.logits[key])
        self._write_record(place, row, seed)

    def _write_losses(self, folder):
        lines = [
            {"iter": step, "loss": 2.0 / step, "sup_loss_cls": 1.0 / step, "unsup_loss_bbox": 0.1}
            for step in STEPS
        ]
        path = folder / "20260101_000000/vis_data/scalars.json"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def _found(self):
        rows = []
        for box in self.truth["annotations"]:
            for _ in range(int(self.random.integers(0, 4))):
                right = self.random.random() < 0.7
                rows.append(
                    {
                        "image_id": box["image_id"],
                        "category_id": box["category_id"]
                        if right
                        else int(self.random.choice(CATEGORIES)),
                        "bbox": (
                            np.array(box["bbox"]) * self.random.uniform(0.85, 1.2, 4)
                        ).tolist(),
                        "score": float(self.random.uniform(0.3, 1)),
                    }
                )
        return rows

    def _in_sample(self, columns):
        kept = np.isin(columns["image_id"], IMAGES[:9])
        names = {"image_ids": "image_id", "category_ids": "category_id", "boxes": "bbox"}
        names |= {"scores": "score"}
        return {new: np.array(columns[old])[kept] for new, old in names.items()}

    def _write_record(self, place, row, seed):
        ap = self.random.uniform(0.1, 0.9, 12)
        self.ap[row, seed] = ap
        built = record.build(
            run={"scale": "smoke", "task": "mini-coco", "row": row, "seed": seed},
            model="teacher",
            settings=self.grid.scale.settings(self.grid.experiments.rows[row]),
            versions={"python": "3.11.7"},
            training={"iterations": 12, "seconds": 1.5, "device": "cpu"},
            inputs={"val": "a" * 64},
            per_class=PerClass(
                images=len(IMAGES),
                ids=CATEGORIES,
                names=self.task.classes,
                ground_truth=np.full(12, 3),
                ap=ap,
                ap50=ap,
                ap75=ap,
                ar=ap,
            ),
            groups=self.task.groups,
        )
        record.write(place.record(self.results), built)

    def study(self, figure, **options):
        """What a figure is made from, on mini-coco whatever its own task."""
        here = replace(figure, task="coco-split1")
        return study_of(here, self.grid, self.results, **options)

    def numbers(self, figure, **options):
        """The numbers of a figure."""
        return figure.numbers(self.study(figure, **options))

    def drawn(self, figure, **options):
        """What is drawn from the csv."""
        study, path = self.study(figure, **options), self.folder / "numbers.csv"
        write_numbers(figure.numbers(study), path)
        return drawing(figure, study, path)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gbss.reporting.figures.saving.DOTS_PER_INCH", 50)
    return World(tmp_path)
