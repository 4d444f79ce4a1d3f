"""The pseudo labels of a finished run: its teacher on unlabeled images."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from gbss.engine.run import Run
from gbss.engine.teacher import ready
from gbss.evaluation.pseudo_labels import IMAGES, PseudoLabels, write_pseudo_labels
from gbss.files import read_json, write_json
from gbss.grid.logs import read_training_log
from gbss.progress import track
from gbss.splits.annotations import Floats, Ints
from gbss.splits.annotations import read as read_annotations

SEED = 20
"""Of the sample of images: the same for all rows and seeds, so that they are compared on it."""


def sample_of(ids: Ints, images: int) -> Ints:
    """(S,) a random sample of images without repetition, ascending; all of them if there are few.

    Args:
        ids: Of all unlabeled images.
        images: Size of the sample.
    """
    if images >= len(ids):
        return np.sort(ids)
    return np.sort(np.random.default_rng(SEED).choice(ids, images, replace=False))


def write_of(run: Run, output: Path, images: int = IMAGES) -> None:
    """Writes what a run's teacher finds in a sample of the unlabeled images.

    The images are seen as in testing: not flipped, in one size. Detections are those of training,
    above a score of 0.05 and at most 100 of an image; with them go the thresholds that the run
    ended with.

    Args:
        run: A finished run.
        output: The file to write, see `PseudoLabels`.
        images: Size of the sample.

    Raises:
        GbssError: The run is not finished, its weights are of another run, or it has no log.
    """
    thresholds = read_training_log(run.training_log)["thresholds"][-1]
    annotations = read_annotations(run.inputs.unlabeled, run.task.classes)
    sample = sample_of(annotations.image_ids, images)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".pseudo-labels-") as scratch:
        listed = Path(scratch) / "sample.json"
        _write_sample(run.inputs.unlabeled, sample, listed)

        def change(config: Config) -> None:
            config.log_level = "WARNING"
            dataset = config.test_dataloader.dataset
            dataset.ann_file = str(listed)
            dataset.data_prefix = {"img": str(run.inputs.unlabeled_images)}
            config.test_evaluator.ann_file = str(listed)

        runner = ready(run, Path(scratch), change)
        columns = _look(runner.model, runner.test_dataloader, annotations.category_ids)
    labels = PseudoLabels(sample, len(annotations.image_ids), thresholds, *columns)
    write_pseudo_labels(output, labels)
    print(f"{len(labels.found(annotations))} pseudo labels in {len(sample)} of {labels.of} images")


def _write_sample(unlabeled: Path, sample: Ints, output: Path) -> None:
    """The unlabeled images' file with those of the sample alone."""
    content = read_json(unlabeled, what="annotation file")
    wanted = set(sample.tolist())
    content["images"] = [image for image in content["images"] if image["id"] in wanted]
    write_json(output, content, indent=None)


def _look(model: Any, loader: Any, category_ids: Ints) -> tuple[Ints, Ints, Floats, Floats]:
    """Image ids, category ids, boxes (x, y, width, height) and scores of all detections."""
    model.eval()
    images, categories = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    boxes, scores = [np.zeros((0, 4))], [np.zeros(0)]
    with torch.no_grad():
        for batch in track(loader, "looking at unlabeled images"):
            prepared = model.data_preprocessor(batch, False)
            # The teacher itself: what a row does to its final results is not in its pseudo labels.
            for sample in model.teacher.predict(prepared["inputs"], prepared["data_samples"]):
                found = sample.pred_instances.cpu().numpy()
                low, high = found.bboxes[:, :2], found.bboxes[:, 2:]
                images.append(np.full(len(found.scores), sample.img_id, np.int64))
                categories.append(category_ids[found.labels])
                boxes.append(np.concatenate([low, high - low], axis=1))
                scores.append(found.scores)
    return (
        np.concatenate(images),
        np.concatenate(categories),
        np.concatenate(boxes),
        np.concatenate(scores),
    )
