"""A row: one experiment, its choices by name, and which of them go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

DEFAULT_RFS_THRESHOLD = 0.1
"""t of repeat-factor sampling on COCO: classes in fewer images than one in ten are repeated
(released code, its COCO configuration)."""


@dataclass(frozen=True)
class LossFacts:
    """What decides what a classification loss can be combined with.

    Attributes:
        balanced: Whether the gradients of a sample on all logits add up to 0, as a softmax's do.
        released: Whether the released code of the method has it.
        prior: Whether it must be told how frequent the classes are.
    """

    balanced: bool = True
    released: bool = False
    prior: bool = False


LOSSES: Mapping[str, LossFacts] = {
    "cross_entropy": LossFacts(released=True),
    "focal": LossFacts(released=True),
    "eqlv2": LossFacts(balanced=False),
    "logit_adjustment": LossFacts(prior=True),
    "logit_adjustment_post_hoc": LossFacts(prior=True),
    "c2am": LossFacts(balanced=False),
    "seesaw": LossFacts(),
}
"""Every loss that a row can name; `gbss.configs.losses` says how each is built."""

DETECTORS = ("soft_teacher", "unbiased_teacher", "supervised", "mean_teacher_retinanet")
"""Every detector that a row can name."""

ONE_STAGE = ("mean_teacher_retinanet",)
"""Those of them without regions: a sigmoid for each class of an anchor, no background column."""


@dataclass(frozen=True)
class PaperNumbers:
    """What the paper reports for a row in one table.

    Attributes:
        source: Where it stands: ``supplement, Table 3``.
        values: Column name → AP in percent.
    """

    source: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """One experiment: choices by name, trained once per seed and scale.

    Attributes:
        id: Its name in paths and targets.
        label: Its name in tables and figures.
        task: The paper's task; a scale may put another in its place.
        detector: The semi-supervised detector.
        tables: The tables that it appears in.
        paper: Table → the paper's numbers; a table that is missing here has none.
        reweighting: GbR: how the class weights in the loss are solved for; none: it has none.
        thresholds: ``gbt``: class-wise by the class weights; ``fixed``: one for all.
        labeled_sampling: ``random``, by repeat factors (``rfs``), or ``class_aware``: a class with
            equal chances, then an image with it.
        unlabeled_sampling: ``random``, ``rfs`` by pseudo labels, or ``crs``.
        rfs_threshold: t of repeat-factor sampling.
        beta: Smoothing of the class weights on labeled images; None without GbR.
        gamma: Cap of the re-sampling threshold λ; None without CrS.
        loss: The classification loss that the class weights multiply.
        variant: The paper's text, or the released code's behaviour where it differs.
        pseudo_labels: The teacher's own, or blended with class prototypes (``daso``).
        decoupling: ``defrcn``: the gradients of both heads reach the features in part (DeFRCN).
        calibration: ``prototypes``: the final scores of few-shot classes follow how like the
            labeled boxes a region looks (DeFRCN).
        labels: ``split``, or ``all`` that the train images have: what a split could reach at best.
        retrains: Row whose finished run it starts from, to train a new classifier alone (cRT).
    """

    id: str
    label: str
    task: str
    detector: str
    tables: tuple[str, ...]
    paper: Mapping[str, PaperNumbers]
    reweighting: str = "none"
    thresholds: str = "fixed"
    labeled_sampling: str = "random"
    unlabeled_sampling: str = "random"
    rfs_threshold: float = DEFAULT_RFS_THRESHOLD
    beta: float | None = None
    gamma: float | None = None
    loss: str = "cross_entropy"
    variant: str = "paper"
    pseudo_labels: str = "teacher"
    decoupling: str = "none"
    calibration: str = "none"
    labels: str = "split"
    retrains: str | None = None

    @property
    def method(self) -> dict[str, Any]:
        """What decides how the row is trained, without labels and tables.

        Choices that leave the detector as it is are left out: a new kind of choice does not make
        the runs of rows without it look outdated.
        """
        plain = {
            field.name: field.default for field in fields(self) if field.default is not MISSING
        }
        chosen = {name: getattr(self, name) for name in plain}
        changed = {name: value for name, value in chosen.items() if value != plain[name]}
        return {"task": self.task, "detector": self.detector} | changed

    @property
    def solver(self) -> str | None:
        """What solves for the class weights; GbT without GbR needs them, too."""
        if self.reweighting != "none":
            return self.reweighting
        return "jacobi" if self.thresholds == "gbt" else None

    @property
    def one_stage(self) -> bool:
        """Whether its detector has no regions, see `ONE_STAGE`."""
        return self.detector in ONE_STAGE

    @property
    def windowed(self) -> bool:
        """Whether its training depends on the windows of the scale's ``method``."""
        pooled = self.unlabeled_sampling != "random"
        return self.solver is not None or pooled or self.pseudo_labels == "daso"


@dataclass(frozen=True)
class Refusal:
    """A choice that the others rule out.

    Attributes:
        key: The key of the row.
        found: The choice.
        expected: What it needs, and why.
        fix: What to choose instead.
    """

    key: str
    found: str
    expected: str
    fix: str


def refusals(row: Row) -> Iterator[Refusal]:
    """Everything about a row's choices that cannot be trained or would not be what it says.

    Any detector goes with any loss, reweighting, thresholds and sampling but for these.
    """
    yield from _without_effect(row)
    if row.one_stage:
        yield from _of_two_stages(row)
    loss = LOSSES[row.loss]
    if row.reweighting == "direct" and not loss.balanced:
        yield Refusal(
            "reweighting",
            f"'direct' with the loss {row.loss!r}",
            "a loss whose gradients of a sample add up to 0 over all logits: with this one the "
            "linear equations have no solution but w = 0",
            "use reweighting: jacobi, whose iterate exists, or another loss",
        )
    if row.variant == "release" and not loss.released and not row.one_stage:
        yield Refusal(
            "variant",
            f"'release' with the loss {row.loss!r}",
            "a loss of the released code: its gradient matrix is that of a softmax",
            "use variant: paper, or the loss cross_entropy or focal",
        )
    if row.pseudo_labels == "daso" and row.detector != "soft_teacher":
        yield Refusal(
            "pseudo_labels",
            f"'daso' with the detector {row.detector!r}",
            "Soft Teacher: the alignment needs the student's features of pseudo labels, and its "
            "step has them at hand",
            "use detector: soft_teacher, or the teacher's pseudo labels",
        )
    if row.pseudo_labels == "daso" and row.retrains is not None:
        yield Refusal(
            "pseudo_labels",
            "'daso' in a row that trains a new classifier alone",
            "features that are trained, for the alignment to change, and a classifier that has "
            "learned, for the blend",
            "remove 'retrains', or use the teacher's pseudo labels",
        )
    if row.labels == "all" and row.detector != "supervised":
        yield Refusal(
            "labels",
            f"'all' with the detector {row.detector!r}",
            "a detector without unlabeled images: none is left unlabeled",
            "use detector: supervised, or the labels of the split",
        )
    if row.detector == "supervised":
        for key, value, plain in (
            ("thresholds", row.thresholds, "fixed"),
            ("sampling.unlabeled", row.unlabeled_sampling, "random"),
        ):
            if value != plain:
                yield Refusal(
                    key,
                    f"{value!r} with the detector 'supervised'",
                    "a detector with pseudo labels: this one sees labeled images alone",
                    f"use {plain}, or another detector",
                )


def _of_two_stages(row: Row) -> Iterator[Refusal]:
    """Choices of a row with a one-stage detector that need a head over regions."""
    needed = {
        "loss": (
            "focal",
            "focal, over a sigmoid for each class; the others need a column for the background",
        ),
        "variant": ("paper", "two stages: the released code's matrix is that of a softmax"),
        "decoupling": (
            "none",
            "two stages: DeFRCN decouples region proposals from regions, and it has neither",
        ),
        "retrains": (None, "two stages: the classifier that is made anew is that of the regions"),
    }
    for key, (only, expected) in needed.items():
        if (found := getattr(row, key)) != only:
            what = f"{found!r} with the detector {row.detector!r}"
            yield Refusal(key, what, expected, f"remove {key!r}, or use detector: soft_teacher")


def _without_effect(row: Row) -> Iterator[Refusal]:
    """Choices that could not have an effect: the row would not be what its name says."""
    rfs = "rfs" in (row.labeled_sampling, row.unlabeled_sampling)
    useless = {
        "rfs_threshold": (row.rfs_threshold != DEFAULT_RFS_THRESHOLD and not rfs, "labeled: rfs"),
        "beta": (row.beta is not None and row.reweighting == "none", "reweighting: jacobi"),
        "gamma": (row.gamma is not None and row.unlabeled_sampling != "crs", "unlabeled: crs"),
        "variant": (row.variant == "release" and not row.windowed, "GbR, GbT or a pool"),
    }
    for key, (found, needed) in useless.items():
        if found:
            yield Refusal(
                key,
                f"{getattr(row, key)!r} in a row that it cannot change",
                f"a row with {needed}",
                f"remove {key!r}, or add what it belongs to",
            )
