"""Real files with known numbers: skipped unless somebody says where they are.

``GBSS_COCOAPI`` names the folder with the files of cocoapi's ``results`` and the ground truth of
their 100 images, ``GBSS_LVIS`` an annotation file of LVIS, for instance a part of v1 val.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import lvis.eval
import numpy as np
import pytest
from lvis import LVIS, LVISEval, LVISResults

from gbss.evaluation.groups import group_means
from gbss.evaluation.per_class import evaluate


def named(variable):
    """The path that an environment variable names."""
    if variable not in os.environ:
        pytest.skip(f"{variable} does not say where the file is")
    return Path(os.environ[variable])


@pytest.mark.parametrize("evaluator", ["fast", "official"])
def test_the_published_numbers_of_cocoapi(evaluator):
    folder = named("GBSS_COCOAPI")
    result = evaluate(
        folder / "instances_val2014_100_gt.json",
        folder / "instances_val2014_fakebbox100_results.json",
        evaluator=evaluator,
    )
    found = [float(np.nanmean(values)) for values in (result.ap, result.ap50, result.ap75)]
    # As its file val2014_fake_eval_res.txt says of boxes.
    assert [round(value, 3) for value in found] == [0.505, 0.697, 0.573]


@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")  # of lvis
def test_perturbed_boxes_of_lvis(tmp_path, monkeypatch):
    """AP, APr, APc, APf and every class, with boxes moved, mistaken, and more than 300 an image."""
    content = json.loads(named("GBSS_LVIS").read_text())
    path, random = tmp_path / "truth.json", np.random.default_rng(3)
    for box in content["annotations"]:
        box.pop("segmentation", None)
    path.write_text(json.dumps(content))
    classes = [each["id"] for each in content["categories"]]

    def detection(image, class_, box):
        score = float(random.integers(1, 60) / 64)
        return {"image_id": image, "category_id": int(class_), "bbox": box, "score": score}

    found = []
    for box in content["annotations"]:
        moved = (np.array(box["bbox"]) * random.uniform(0.85, 1.15, 4)).tolist()
        class_ = box["category_id"] if random.random() < 0.8 else random.choice(classes)
        found.append(detection(box["image_id"], class_, moved))
    for number, image in enumerate(content["images"]):
        some = [*image["neg_category_ids"], *random.choice(classes, 330 if number % 9 == 4 else 5)]
        found += [
            detection(image["id"], class_, random.uniform(1, 90, 4).tolist()) for class_ in some
        ]
    # It was written for a NumPy with ``np.float``.
    monkeypatch.setattr(lvis.eval, "np", SimpleNamespace(**vars(np) | {"float": float}))
    copies = [dict(each) for each in found]
    official = LVISEval(str(path), LVISResults(LVIS(str(path)), copies), "bbox")
    official.run()
    precision = official.eval["precision"][:, :, :, 0]
    theirs = np.where(precision[0, 0] > -1, precision.mean(axis=(0, 1)), np.nan)

    result = evaluate(path, found, protocol="lvis")
    np.testing.assert_allclose(result.ap, theirs, rtol=0, atol=1e-9)
    groups = {
        letter: [each["name"] for each in content["categories"] if each["frequency"] == letter]
        for letter in "rcf"
    }
    means = group_means(result, groups)
    stated = official.get_results()
    for group, key in (("all", "AP"), ("r", "APr"), ("c", "APc"), ("f", "APf")):
        assert means[group].ap == pytest.approx(stated[key], abs=1e-9)
