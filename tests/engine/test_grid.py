"""Every pair of choices is trained and resumed in some row, unless it is refused."""

import shutil
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
import torch

from gbss.detection.checkpoints import read_checkpoint
from gbss.detection.training_log import read_training_log
from gbss.engine.train import train
from gbss.experiments import load_experiments
from gbss.grid.place import TRAINING_LOG
from gbss.rows import DETECTORS, LOSSES, refusals

ROW = load_experiments().rows["soft-teacher"]
CHOICES = {
    "detector": DETECTORS,
    "loss": tuple(LOSSES),
    "reweighting": ("none", "jacobi", "direct"),
    "thresholds": ("fixed", "gbt"),
    "labeled_sampling": ("random", "rfs", "class_aware"),
    "unlabeled_sampling": ("random", "rfs", "crs"),
    "pseudo_labels": ("teacher", "daso"),
    "decoupling": ("none", "defrcn"),
    "retrains": (None, "soft-teacher"),
    "variant": ("paper", "release"),
}


def made(values):
    """A row with these choices and, where they belong to them, β and γ."""
    chosen = dict(zip(CHOICES, values, strict=True))
    beta = 0.5 if chosen["reweighting"] != "none" else None
    # A large cap makes repeats of the small margins that an untrained teacher gives.
    gamma = 1e5 if chosen["unlabeled_sampling"] == "crs" else None
    return replace(ROW, **chosen, beta=beta, gamma=gamma)


def trainable(values):
    """Whether the choices go together; a second stage has the layers of the first."""
    row = made(values)
    return not list(refusals(row)) and not (row.retrains and row.decoupling != ROW.decoupling)


def pairs(values):
    return set(combinations(enumerate(values), 2))


def covering():
    """Rows that hold every pair that any row can hold, greedily few; and those pairs."""
    rng = np.random.default_rng(1)
    # Of 24,192 combinations; enough to hold every pair of the detector with the fewest.
    drawn = zip(*(rng.choice(len(values), 20_000) for values in CHOICES.values()), strict=True)
    named = ([values[i] for values, i in zip(CHOICES.values(), d, strict=True)] for d in drawn)
    possible = [tuple(values) for values in named if trainable(values)]
    held = [pairs(values) for values in possible]
    wanted = set().union(*held)
    missing, found = set(wanted), []
    while missing:
        best = max(range(len(held)), key=lambda number: len(held[number] & missing))
        found.append(possible[best])
        missing -= held[best]
    return found, wanted


ROWS, TRAINED = covering()


def name(values):
    return "-".join(str(value) for value in values)


def eager(config):
    """Takes a teacher that knows nothing for sure of its boxes, so that there are pseudo labels."""
    config.model.semi_train_cfg.update(
        pseudo_label_initial_score_thr=0.0, cls_pseudo_thr=0.0, reg_pseudo_thr=9.0
    )
    testing = config.model.detector.test_cfg
    testing.get("rcnn", testing).score_thr = 0.005
    config.model.method.thresholds.update(base=0.011, floor=0.005)
    head = config.model.detector.get("roi_head", config.model.detector).bbox_head
    if head.loss_cls.type.endswith("EQLv2Loss"):
        # Its own 0.001 would keep all scores below any threshold for as long as a test runs.
        head.loss_cls.prior = 0.2
    if head.loss_cls.type.endswith("C2AMLoss"):
        # So are those of its steep softmax, once all is background.
        head.loss_cls.scale = head.cls_predictor_cfg.temperature = 5.0


@pytest.fixture
def train_eagerly(with_config):
    with_config(eager)


@pytest.fixture(scope="module")
def first_stage(folder):
    """Weights of a detector that has not learned anything, as a first stage's."""
    found = {}

    def of(run):
        if not found:
            path = folder / "first.pth"
            train(replace(run, folder=folder / "first-stage", row=ROW))
            shutil.copy(folder / "first-stage/model.pth", path)
            found["path"] = path
        return replace(run, inputs=replace(run.inputs, start=found["path"]))

    return of


def state(run):
    return read_checkpoint(run.model)["state_dict"]


def trained_and_resumed(run, target, iterations):
    """Final weights of a run, and of one that goes on from its first checkpoint."""
    train(run)
    shutil.copytree(run.folder, target)
    (target / "model.pth").unlink()
    (target / f"checkpoints/iter_{iterations:07d}.pth").unlink()
    resumed = replace(run, folder=target)
    train(resumed)
    return state(run), state(resumed)


def check(values, run, target, iterations):
    whole, resumed = trained_and_resumed(run, target, iterations)
    assert whole.keys() == resumed.keys()
    differing = [key for key in whole if not torch.equal(whole[key], resumed[key])]
    assert not differing
    assert all(value.isfinite().all() for value in whole.values())
    logs = [read_training_log(folder / TRAINING_LOG) for folder in (run.folder, target)]
    for key in logs[0]:
        assert np.array_equal(logs[0][key], logs[1][key], equal_nan=True), key
    assert logs[0]["skipped"].sum() == 0
    half, last = (checkpoint(run, number) for number in (iterations // 2, iterations))
    check_what_was_learned(run.row, half, last)
    if run.row.detector != "supervised":
        # There were pseudo labels after all warm-ups, which end in the first half.
        kept = logs[0]["kept"].sum(1)
        assert kept[-1] > kept[iterations // 2 - 1]
    if run.row.pseudo_labels == "daso":
        assert last["method.daso.filled"].sum() > half["method.daso.filled"].sum() > 0
        assert last["method.daso.counts"].sum() > half["method.daso.counts"].sum() > 0


def checkpoint(run, iteration):
    return read_checkpoint(run.folder / f"checkpoints/iter_{iteration:07d}.pth")["state_dict"]


def check_what_was_learned(row, before, after):
    """The student's classifier changed; in a second stage nothing else did."""
    classifiers = ("fc_cls", "retina_cls")
    student = {key for key in after if key.startswith("student.") and "loss_cls" not in key}
    changed = {key for key in student if not torch.equal(before[key], after[key])}
    own = {key for key in student if key.split(".")[-2] in classifiers}
    assert own
    assert own <= changed
    assert changed == own or not row.retrains


def prepare(run_in, tiny_scale, first_stage, folder, values, iterations):
    half = iterations // 2
    schedule = replace(
        tiny_scale.schedule,
        iterations=iterations,
        checkpoint_interval=half,
        validation_interval=half,
    )
    run = run_in(folder, row=made(values), scale=replace(tiny_scale, schedule=schedule))
    return first_stage(run) if run.row.retrains else run


def test_pairs_that_no_row_holds_are_refused_with_a_sentence():
    keys = list(CHOICES)
    every = set()
    for one, other in combinations(range(len(keys)), 2):
        found = product(CHOICES[keys[one]], CHOICES[keys[other]])
        every |= {((one, a), (other, b)) for a, b in found}
    refused = {frozenset((a, b)) for (_, a), (_, b) in every - TRAINED}
    assert refused == {
        *(frozenset(("direct", loss)) for loss in ("eqlv2", "c2am")),
        *(frozenset(("supervised", choice)) for choice in ("gbt", "crs", "daso")),
        frozenset(("unbiased_teacher", "daso")),
        *(
            frozenset(("mean_teacher_retinanet", choice))
            for choice in ("daso", "defrcn", "soft-teacher", "release", *LOSSES)
            if choice != "focal"
        ),
        frozenset(("daso", "soft-teacher")),
        frozenset(("defrcn", "soft-teacher")),  # of two stages, said by the first one's row
        *(
            frozenset(("release", loss))
            for loss in LOSSES
            if loss not in ("cross_entropy", "focal")
        ),
    } | {frozenset(("supervised", "rfs"))}


@pytest.mark.usefixtures("train_eagerly")
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "cross_entropy"])
def test_every_loss_trains_with_the_whole_method(run_in, tiny_scale, tmp_path, loss):
    values = tuple(
        {
            **{key: choices[0] for key, choices in CHOICES.items()},
            "loss": loss,
            "reweighting": "jacobi",
            "thresholds": "gbt",
            "labeled_sampling": "rfs",
            "unlabeled_sampling": "crs",
        }.values()
    )
    run = prepare(run_in, tiny_scale, None, tmp_path / "run", values, 4)
    train(run)
    log = read_training_log(run.folder / TRAINING_LOG)
    assert np.isfinite(log["weights"]).all()
    assert (log["positive"].sum((0, 2)) > 0).all()


@pytest.mark.slow
@pytest.mark.usefixtures("train_eagerly")
@pytest.mark.parametrize("values", ROWS, ids=name)
def test_every_pair_trains_and_resumes(run_in, tiny_scale, first_stage, tmp_path, values):
    iterations = 12
    run = prepare(run_in, tiny_scale, first_stage, tmp_path / "run", values, iterations)
    check(values, run, tmp_path / "resumed", iterations)
