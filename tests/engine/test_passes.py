"""What a finished run's teacher writes for the figures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import bbox2roi

from gbss.engine import class_logits, pseudo_labels
from gbss.engine.detect import detect
from gbss.engine.teacher import ready
from gbss.engine.train import train
from gbss.errors import GbssError
from gbss.evaluation.class_logits import read_class_logits
from gbss.evaluation.found import read_found
from gbss.evaluation.pseudo_labels import read_pseudo_labels
from gbss.grid.logs import read_training_log
from gbss.splits.annotations import read


@pytest.fixture(scope="module")
def run(run_in, tmp_path_factory):
    run = run_in(tmp_path_factory.mktemp("passes") / "run")
    train(run)
    return run


def test_pseudo_labels_of_a_sample(run, capsys):
    pseudo_labels.write_of(run, run.pseudo_labels, images=9)
    said = capsys.readouterr().out.splitlines()[-1]
    labels = read_pseudo_labels(run.pseudo_labels)
    truth = read(run.inputs.unlabeled)
    assert said.endswith(f"in 9 of {len(truth.image_ids)} images")
    assert labels.of == len(truth.image_ids)
    assert len(labels.sample) == 9
    assert set(labels.image_ids) <= set(labels.sample) <= set(truth.image_ids)
    np.testing.assert_array_equal(
        labels.thresholds, read_training_log(run.training_log)["thresholds"][-1]
    )
    assert labels.scores.min() > 0.05
    before = run.pseudo_labels.read_bytes()
    pseudo_labels.write_of(run, run.pseudo_labels, images=9)
    assert run.pseudo_labels.read_bytes() == before


def test_unlabeled_images_may_have_a_folder_of_their_own(run, tmp_path):
    pseudo_labels.write_of(run, tmp_path / "together.npz", images=9)
    apart = replace(
        run.inputs, pool_images=run.inputs.train_images, train_images=tmp_path / "labeled alone"
    )
    pseudo_labels.write_of(replace(run, inputs=apart), tmp_path / "apart.npz", images=9)
    expected = (tmp_path / "together.npz").read_bytes()
    assert (tmp_path / "apart.npz").read_bytes() == expected


def test_every_image_is_looked_at_if_there_are_few():
    ids = np.array([5, 2, 9])
    assert pseudo_labels.sample_of(ids, 3).tolist() == [2, 5, 9]
    assert len(pseudo_labels.sample_of(np.arange(50), 20)) == 20


def test_they_are_what_testing_finds(run, monkeypatch, tmp_path):
    """On the validation images the pass gives the detections of `gbss detect`."""
    detect(run, run.detections)
    truth = read(run.inputs.val)
    expected = read_found(run.detections, truth)
    inputs = replace(run.inputs, unlabeled=run.inputs.val, train_images=run.inputs.val_images)
    other = replace(run, inputs=inputs)
    # Its weights belong to the run as it was.
    monkeypatch.setattr(
        "gbss.engine.pseudo_labels.ready", lambda _, *arguments: ready(run, *arguments)
    )
    pseudo_labels.write_of(other, tmp_path / "labels.npz")
    labels = read_pseudo_labels(tmp_path / "labels.npz")
    columns = (labels.image_ids, labels.category_ids, labels.boxes, labels.scores)
    found = expected.of(truth, *columns)
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_class_logits_are_means_over_the_objects(run, tmp_path):
    class_logits.write_of(run, run.class_logits)
    found = read_class_logits(run.class_logits)
    truth = read(run.inputs.val)
    counts = np.bincount(truth.box_classes[truth.counted], minlength=12)
    np.testing.assert_array_equal(found.objects, counts)
    np.testing.assert_array_equal(np.isnan(found.logits).all(axis=1), counts == 0)
    np.testing.assert_allclose(found.scores[counts > 0].sum(axis=1), 1, rtol=1e-5)

    # One class, box by box.
    place = int(counts.argmax())
    runner = ready(run, tmp_path, lambda config: None)
    detector = runner.model.teacher.eval()
    logits = []
    for batch in runner.test_dataloader:
        prepared = runner.model.data_preprocessor(batch, False)
        sample = prepared["data_samples"][0]
        image = np.flatnonzero(truth.image_ids == sample.img_id)[0]
        features = detector.extract_feat(prepared["inputs"])
        for box in truth.boxes[
            truth.counted & (truth.box_images == image) & (truth.box_classes == place)
        ]:
            x, y, width, height = (box * sample.scale_factor[0]).tolist()
            roi = bbox2roi([torch.tensor([[x, y, x + width, y + height]])])
            with torch.no_grad():
                logits.append(detector.roi_head._bbox_forward(features, roi)["cls_score"][0])
    assert len(logits) == counts[place]
    np.testing.assert_allclose(
        found.logits[place], torch.stack(logits).mean(0), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(found.bias, detector.roi_head.bbox_head.fc_cls.bias.detach())


def test_unfinished_runs_are_refused(run_in, tmp_path):
    run = run_in(tmp_path / "none")
    for write in (pseudo_labels.write_of, class_logits.write_of):
        with pytest.raises(GbssError, match=r"training_log\.npz|model\.pth"):
            write(run, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
    assert not list(Path(tmp_path).glob(".*-labels-*"))
