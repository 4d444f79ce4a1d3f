"""Steps of the detectors: what they learn from, and what second stages leave as it was."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from mmengine.runner import Runner

from gbss.configs.resolve import resolve
from gbss.detection.checkpoints import read_checkpoint, write_checkpoint
from gbss.detection.repeats import labeled_boxes
from gbss.detection.unbiased_teacher import BurnInTeacherHook
from gbss.engine import train as engine
from gbss.engine.detect import detect
from gbss.engine.train import train
from gbss.errors import GbssError
from gbss.evaluation.detections import read_detections
from gbss.experiments import load_experiments

PLAIN = load_experiments().rows["soft-teacher"]
UNBIASED = replace(PLAIN, id="unbiased", detector="unbiased_teacher", loss="focal")
SUPERVISED = replace(PLAIN, id="supervised", detector="supervised")


def eager(config):
    config.model.detector.test_cfg.rcnn.score_thr = 0.01
    config.model.method.thresholds.update(base=0.1, floor=0.01)


def weights(run):
    return read_checkpoint(run.model)["state_dict"]


def of(state, prefix):
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def test_unbiased_teacher_sees_both_labeled_views_and_nothing_else_in_the_burn_in(
    built, run_in, tmp_path
):
    runner, batch = built(run_in(tmp_path / "run", row=UNBIASED), eager)
    inputs, samples = batch["inputs"], batch["data_samples"]
    # Two labeled and two unlabeled images: as many of each.
    assert {name: len(images) for name, images in inputs.items()} == {
        "sup": 2,
        "sup_weak": 2,
        "unsup_teacher": 2,
        "unsup_student": 2,
    }
    assert inputs["sup"].shape == inputs["sup_weak"].shape
    assert not torch.equal(inputs["sup"], inputs["sup_weak"])
    for strong, weak in zip(samples["sup"], samples["sup_weak"], strict=True):
        assert torch.equal(strong.gt_instances.bboxes, weak.gt_instances.bboxes)
    for strong, weak in zip(samples["unsup_student"], samples["unsup_teacher"], strict=True):
        assert (strong.homography_matrix == weak.homography_matrix).all()
    model = runner.model
    model.method.begin(0)
    losses = model(**batch, mode="loss")
    assert {name for name in losses if "loss" in name} == {
        "sup_loss_rpn_cls",
        "sup_loss_rpn_bbox",
        "sup_loss_cls",
        "sup_loss_bbox",
    }


def test_after_the_burn_in_pseudo_boxes_teach_proposals_and_classes_but_no_boxes(
    built, run_in, tmp_path
):
    runner, batch = built(run_in(tmp_path / "run", row=UNBIASED), eager)
    model, seen = runner.model, []
    observe, loss = model.method.observe, model.student.loss
    model.method.observe = lambda *a: seen.append((a[0], len(a[1]))) or observe(*a)
    shown = []
    model.student.loss = lambda x, samples: shown.append(samples) or loss(x, samples)
    model.method.begin(model.semi_train_cfg.burn_in)
    losses = model(**batch, mode="loss")
    extra = {name for name in losses if "loss" in name and name.startswith("unsup")}
    assert extra == {"unsup_loss_rpn_cls", "unsup_loss_cls"}
    assert [branch for branch, _ in seen] == ["labeled", "pseudo"]
    labeled, unlabeled = shown
    assert [len(labeled), len(unlabeled)] == [4, 2]
    boxes = [sample.gt_instances for sample in unlabeled]
    assert sum(map(len, boxes)) > 0
    assert all((each.scores > 0.1).all() for each in boxes)
    assert model.method._kept.sum() == sum(map(len, boxes))
    # The weight of the unlabeled losses, as of every other detector.
    model.semi_train_cfg["unsup_weight"] = 0.0
    again = model(**batch, mode="loss")
    assert again["unsup_loss_cls"] == 0 < losses["unsup_loss_cls"]


def test_images_without_pseudo_labels_are_background(built, run_in, tmp_path):
    runner, batch = built(run_in(tmp_path / "run", row=UNBIASED))
    runner.model.method.begin(10**6)
    losses = runner.model(**batch, mode="loss")
    assert losses["unsup_loss_cls"] > 0


def test_its_teacher_is_a_copy_at_the_end_of_the_burn_in_then_follows(
    run_in, tmp_path, tiny_scale, monkeypatch
):
    scale = replace(tiny_scale, method=replace(tiny_scale.method, burn_in=0.5))
    run = run_in(tmp_path / "run", row=UNBIASED, scale=scale)
    distances, firsts = [], []
    original = BurnInTeacherHook.after_train_iter

    def measured(self, runner, **arguments):
        original(self, runner, **arguments)
        student = dict(runner.model.student.named_parameters())
        teacher = dict(runner.model.teacher.named_parameters())
        distances.append(sum((student[k] - teacher[k]).abs().sum().item() for k in student))
        firsts.append(teacher["rpn_head.rpn_cls.bias"].clone())

    monkeypatch.setattr(BurnInTeacherHook, "after_train_iter", measured)
    train(run)
    before, at, after = distances[:2], distances[2], distances[3:]
    assert all(each > 0 for each in before)
    assert at == 0
    assert all(each > 0 for each in after)
    assert torch.equal(firsts[0], firsts[1])
    assert not torch.equal(firsts[3], firsts[4])


def test_a_burn_in_without_end_is_refused(run_in, tmp_path, tiny_scale):
    scale = replace(tiny_scale, method=replace(tiny_scale.method, burn_in=0.95))
    with pytest.raises(GbssError, match=r"burn-in of 6 iterations(.|\n)*the run's 6"):
        train(run_in(tmp_path / "run", row=UNBIASED, scale=scale))


def test_the_supervised_detector_loads_labeled_images_alone(built, run_in, tmp_path):
    runner, batch = built(run_in(tmp_path / "run", row=SUPERVISED))
    assert {name: len(images) for name, images in batch["inputs"].items()} == {"sup": 1}
    losses = runner.model(**batch, mode="loss")
    assert {name.split("_")[0] for name in losses} == {"sup"}


def retraining(run_in, folder, tmp_path, loss="cross_entropy", **changes):
    """A first stage, and a second one that starts from it."""
    first = run_in(tmp_path / "first")
    train(first)
    row = replace(SUPERVISED, retrains="soft-teacher", labeled_sampling="class_aware", loss=loss)
    second = run_in(tmp_path / "second", row=replace(row, **changes))
    return first, replace(second, inputs=replace(second.inputs, start=first.model))


def test_a_second_stage_trains_a_new_classifier_and_nothing_else(run_in, folder, tmp_path):
    first, second = retraining(run_in, folder, tmp_path)
    classifier = "roi_head.bbox_head.fc_cls."
    saved = read_checkpoint(first.model)
    saved["state_dict"][f"teacher.{classifier}weight"] += 100
    write_checkpoint(first.model, saved)
    train(second)
    before, after = of(weights(first), "teacher."), weights(second)
    # The mean of equal weights is equal up to rounding.
    for part, tolerance in (("student.", 0.0), ("teacher.", 1e-5)):
        found = of(after, part)
        changed = {
            key
            for key in found
            if not torch.allclose(found[key], before[key], rtol=tolerance, atol=tolerance)
        }
        assert changed == {f"{classifier}weight", f"{classifier}bias"}
    # New, not fine-tuned: what was learned before is gone.
    assert of(after, "student.")[f"{classifier}weight"].abs().max() < 1
    detect(second, second.detections)
    assert second.detections.exists()


def test_a_second_stage_may_have_another_loss_and_classifier(run_in, folder, tmp_path):
    _, second = retraining(run_in, folder, tmp_path, loss="c2am")
    train(second)
    assert "student.roi_head.bbox_head.fc_cls.bias" not in weights(second)


def test_another_first_stage_is_another_second_stage(run_in, folder, tmp_path):
    _, second = retraining(run_in, folder, tmp_path)
    assert "start" in second.checksums()
    config = engine.plain(
        resolve(second.task, second.row, second.scale, second.seed, second.inputs, second.folder)
    )
    identity = second.identity(config)
    saved = read_checkpoint(second.inputs.start)
    saved["state_dict"]["teacher.rpn_head.rpn_cls.bias"] += 1
    write_checkpoint(second.inputs.start, saved)
    assert second.identity(config) != identity


def test_a_first_stage_of_another_kind_is_refused(run_in, folder, tmp_path):
    _, second = retraining(run_in, folder, tmp_path)
    saved = read_checkpoint(second.inputs.start)
    del saved["state_dict"]["teacher.rpn_head.rpn_cls.bias"]
    write_checkpoint(second.inputs.start, saved)
    with pytest.raises(GbssError, match=r"1 weights that do not fit(.|\n)*rpn_cls.bias"):
        train(second)
    shutil.rmtree(second.folder)
    second.inputs.start.unlink()
    with pytest.raises(GbssError, match="no such file"):
        train(second)


def test_priors_are_the_labeled_boxes_in_student_and_teacher(run_in, tmp_path):
    row = replace(PLAIN, loss="logit_adjustment")
    run = run_in(tmp_path / "run", row=row)
    train(run)
    config = resolve(run.task, run.row, run.scale, run.seed, run.inputs, run.folder)
    dataset = Runner.build_dataloader(config.train_dataloader, seed=1).dataset.datasets[0]
    counts = labeled_boxes(dataset)[1].bincount(minlength=12).clamp(min=1)
    for part in ("student", "teacher"):
        found = weights(run)[f"{part}.roi_head.bbox_head.loss_cls.offsets"]
        torch.testing.assert_close(found[:-1], (counts / counts.sum() * 12).log())
        assert found[-1] == 0
    assert counts.unique().numel() > 2
    detect(run, run.detections)


def test_calibration_changes_scores_of_minority_classes_and_nothing_else(run_in, tmp_path):
    plain = replace(PLAIN, decoupling="defrcn")
    run = run_in(tmp_path / "run", row=plain)
    train(run)
    assert "student.rpn_head.decoupling.weight" in weights(run)
    ours = replace(run, row=replace(plain, calibration="prototypes"), folder=tmp_path / "ours")
    train(ours)
    assert all(torch.equal(weights(run)[key], value) for key, value in weights(ours).items())
    found = []
    for each in (run, ours):
        detect(each, each.detections)
        found.append(list(read_detections(each.detections).entries()))
    by_place = [
        {(e["image_id"], e["category_id"], *e["bbox"]): e["score"] for e in part} for part in found
    ]
    assert by_place[0].keys() == by_place[1].keys()
    ids = {each["id"]: each["name"] for each in categories(run)}
    minority = set(run.task.recipe.minority)
    changed = {ids[place[1]] for place in by_place[0] if by_place[0][place] != by_place[1][place]}
    assert changed
    assert changed <= minority


def categories(run):
    return json.loads(run.inputs.val.read_text())["categories"]


def test_daso_blends_and_aligns_after_its_warmup(built, run_in, tmp_path):
    row = replace(PLAIN, pseudo_labels="daso")

    def certain(config):
        eager(config)
        config.model.semi_train_cfg.update(pseudo_label_initial_score_thr=0.0, cls_pseudo_thr=0.0)

    runner, batch = built(run_in(tmp_path / "run", row=row), certain)
    model, daso = runner.model, runner.model.method.daso
    model.method.begin(daso.warmup - 1)
    before = model(**batch, mode="loss")
    assert "unsup_loss_semantics" not in before
    assert daso.filled.sum() > 0  # the labeled boxes
    # As if the teacher saw nothing but what the labeled boxes show.
    daso.counts[:] = (daso.filled > 0).float()
    model.method.begin(daso.warmup)
    runner, batch = built(run_in(tmp_path / "run", row=row), certain)
    runner.model.method.load_state_dict(model.method.state_dict())
    runner.model.method.begin(daso.warmup)
    found = runner.model(**batch, mode="loss")
    assert found["unsup_loss_semantics"] > 0
    total, _ = runner.model.parse_losses(found)
    total.backward()
    kept = runner.model.method._kept + runner.model.method.kept
    assert kept.sum() > 0
