"""A one-stage detector under the method: what its step shows, learns from, and leaves behind."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import InstanceData

from gbss.detection.checkpoints import read_checkpoint
from gbss.detection.training_log import read_training_log
from gbss.engine.class_logits import write_of
from gbss.engine.detect import detect
from gbss.engine.train import train
from gbss.errors import GbssError
from gbss.evaluation.detections import read_detections
from gbss.experiments import load_experiments
from gbss.grid.place import TRAINING_LOG

ROWS = load_experiments().rows
PLAIN, OURS = ROWS["retinanet"], ROWS["retinanet-gbss"]


def eager(config):
    """A teacher that knows nothing for sure of its boxes has pseudo labels all the same."""
    config.model.detector.test_cfg.score_thr = 0.005
    config.model.semi_train_cfg.cls_pseudo_thr = 0.0
    config.model.method.thresholds.update(base=0.011, floor=0.005)


def test_pseudo_labels_above_the_thresholds_teach_all_losses(built, run_in, tmp_path):
    runner, batch = built(run_in(tmp_path / "run", row=PLAIN), eager)
    model = runner.model
    seen, shown = [], []
    observe, loss = model.method.observe, model.student.loss
    model.method.observe = lambda *a, **k: seen.append((*a, k)) or observe(*a, **k)
    model.student.loss = lambda x, samples: shown.append(samples) or loss(x, samples)
    model.method.begin(0)
    losses = model(**batch, mode="loss")
    assert {name for name in losses if "loss" in name} == {
        f"{part}_loss_{kind}" for part in ("sup", "unsup") for kind in ("cls", "bbox")
    }
    # Both levels of each branch, anchors of n classes and the background.
    assert [branch for branch, *_ in seen] == ["labeled"] * 2 + ["pseudo"] * 2
    assert {logits.shape[1] for _, logits, *_ in seen} == {12}
    assert max(int(labels.max()) for _, _, labels, *_ in seen) == 12
    boxes = [sample.gt_instances for sample in shown[1]]
    assert 0 < sum(map(len, boxes)) == model.method._kept.sum()
    assert all((each.scores > 0.011).all() for each in boxes)
    # Few pseudo labels weigh no more than the labeled boxes of as many images.
    divisors = [sum(s["divisor"] for b, *_, s in seen if b == x) for x in ("labeled", "pseudo")]
    images = [len(batch["inputs"][name]) for name in ("sup", "unsup_student")]
    assert divisors[1] / images[1] >= divisors[0] / images[0] > 0
    # Of the anchors' labels those of the pseudo labels, and no others.
    kept = torch.cat([each.labels for each in boxes]).unique().tolist()
    found = torch.cat([labels for branch, _, labels, *_ in seen if branch == "pseudo"])
    assert set(found.unique().tolist()) <= {*kept, 12}


def test_what_the_teacher_is_unsure_of_is_neither_object_nor_background(built, run_in, tmp_path):
    runner, _ = built(run_in(tmp_path / "run", row=PLAIN), eager)
    model = runner.model
    model.method.begin(0)
    model.method.class_thresholds[:] = torch.tensor([0.5] * 11 + [0.3])
    boxes = [[0.0, 0, 30, 30], [2, 0, 30, 30], [40, 40, 60, 60], [0, 40, 20, 60], [40, 0, 60, 20]]
    found = InstanceData(
        bboxes=torch.tensor(boxes),
        scores=torch.tensor([0.6, 0.4, 0.4, 0.4, 0.09]),
        labels=torch.tensor([3, 5, 3, 11, 0]),
    )
    decided = model._decided(SimpleNamespace(gt_instances=found))
    # The second is another look at the first; the last is background.
    assert decided.gt_instances.labels.tolist() == [3, 11]
    assert decided.ignored_instances.bboxes.tolist() == [boxes[2]]
    nothing = model._decided(SimpleNamespace(gt_instances=found[4:]))
    assert len(nothing.gt_instances) == len(nothing.ignored_instances) == 0


def test_a_batch_without_pseudo_labels_teaches_nothing_and_is_not_seen(built, run_in, tmp_path):
    runner, batch = built(run_in(tmp_path / "run", row=PLAIN))
    model = runner.model
    model.method.begin(0)
    losses = model(**batch, mode="loss")
    assert sum(losses["unsup_loss_cls"]) == 0
    assert sum(losses["sup_loss_cls"]) > 0
    model.method.end()
    assert model.method.statistics.updates.tolist() == [1, 0]


def test_class_weights_reach_the_loss_of_both_branches(built, run_in, tmp_path):
    def step(weights):
        runner, batch = built(run_in(tmp_path / "run", row=OURS), eager)
        model = runner.model
        method = model.method
        with torch.no_grad():
            method.weights.a.copy_(torch.tensor(weights).log())
        method.begin(method.weights.warmup)
        losses = model(**batch, mode="loss")
        return {
            name: float(sum(losses[name]).detach())
            for name in losses
            if name.endswith(("cls", "bbox"))
        }

    plain = step([1.0] * 13)
    # Objects, which are nearly all of an untrained head's loss, weigh 13/25; labeled ones its root.
    light = step([1.0] * 12 + [13.0])
    assert light["sup_loss_cls"] == pytest.approx(0.52**0.5 * plain["sup_loss_cls"], rel=0.1)
    assert light["unsup_loss_cls"] == pytest.approx(0.52 * plain["unsup_loss_cls"], rel=0.1)
    assert light["sup_loss_bbox"] == pytest.approx(plain["sup_loss_bbox"])


def test_the_whole_method_trains_and_its_teacher_detects(run_in, tmp_path, with_config):
    run = run_in(tmp_path / "run", row=OURS)
    with_config(eager)
    train(run)
    log = read_training_log(run.folder / TRAINING_LOG)
    assert (log["positive"].sum((0, 2)) > 0).all()
    # The background has no logit: nothing pulls it up or pushes it down.
    assert (log["positive"][:, :, -1] == 0).all()
    assert (log["negative"][:, :, -1] == 0).all()
    assert log["weights"][-1].std() > 0
    assert log["kept"][-1].sum() > 0
    assert log["skipped"].sum() == 0


def test_calibration_and_detection_work_without_regions(run_in, tmp_path):
    run = run_in(tmp_path / "run", row=replace(PLAIN, calibration="prototypes"))
    train(run)
    assert "teacher.bbox_head.retina_cls.weight" in read_checkpoint(run.model)["state_dict"]
    detect(run, run.detections)
    assert isinstance(list(read_detections(run.detections).entries()), list)


def test_class_logits_of_given_boxes_cannot_be_had(run_in, tmp_path):
    with pytest.raises(GbssError, match=r"classifies anchors alone(.|\n)*two stages"):
        write_of(run_in(tmp_path / "run", row=PLAIN), tmp_path / "logits.npz")
