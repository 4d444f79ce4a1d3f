"""What a row adds to its detector, with the windows of the scale turned into iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gbss.configs import losses, one_stage
from gbss.errors import Faults
from gbss.experiments import Row
from gbss.rows import LOSSES
from gbss.scales import Scale

BASE_THRESHOLD = {
    "soft_teacher": 0.9,
    "unbiased_teacher": 0.7,
    "supervised": 0.9,
    "mean_teacher_retinanet": 0.5,
}
"""Detector → its own θ; one without pseudo labels has Soft Teacher's in its log."""

FLOOR = 0.5
"""The smallest class-wise threshold (released code, for θ = 0.9)."""

ONE_STAGE_FLOOR = 0.28
"""The same for scores of a sigmoid: the released code's share of θ, 5/9 of 0.5 (0071)."""

FETCHED_AHEAD = 32
"""Batches that a change of the sampling waits for, at most: more than loading processes fetch
ahead (2 each and one in use), and independent of their number."""

WARMUPS = ("weights", "thresholds")
"""What has a warm-up."""

RELEASE_WARMUPS = {"coco-objects365": (0.75, 2), "lvis": (0.5, 1)}
"""The released code's warm-ups of weights and thresholds over the paper's 16,000 iterations: 12,000
and 32,000, 8,000 and 16,000."""

RELEASE_WARMUPS_COCO = (2, 3)
"""On COCO, over the paper's 4,000: 8,000 and 12,000."""

SNAPSHOTS = 200
"""Snapshots of the training log in a run."""


@dataclass(frozen=True)
class Windows:
    """Lengths of the method in iterations, see `gbss.scales.parts.MethodWindows`.

    Attributes:
        weights_warmup: With w = 1.
        thresholds_warmup: With θ_i = θ, and without a pool.
        matrix: Window of the running means.
        weights: Time constant of the class weights.
        merge: Between two merges of the pool.
        resample: Between two changes of the sampling.
        burn_in: Before Unbiased Teacher's teacher begins.
    """

    weights_warmup: int
    thresholds_warmup: int
    matrix: float
    weights: float
    merge: int
    resample: int
    burn_in: int

    @classmethod
    def of(cls, row: Row, scale: Scale) -> Windows:
        """The windows of a row at a scale.

        Raises:
            GbssError: A warm-up is longer than the run.
        """
        total, share = scale.schedule.iterations, scale.method
        factor: tuple[float, float] = (1, 1)
        if row.variant == "release":
            factor = RELEASE_WARMUPS.get(row.task, RELEASE_WARMUPS_COCO)
        windows = cls(
            weights_warmup=round(factor[0] * share.warmup * total),
            thresholds_warmup=round(factor[1] * share.warmup * total),
            matrix=max(share.matrix * total, 1.0),
            weights=max(share.weights * total, 1.0),
            merge=max(round(share.merge * total), 1),
            resample=max(round(share.resample * total), 1),
            burn_in=round(share.burn_in * total),
        )
        with Faults() as faults:
            for name in WARMUPS:
                length = getattr(windows, f"{name}_warmup")
                if length >= total and row.windowed:
                    faults.add(
                        f"scale {scale.scale!r}: method.warmup, row {row.id!r}",
                        found=f"a warm-up of {length} iterations for the {name}",
                        expected=f"less than the run's {total} iterations",
                        fix="lengthen the run or shorten the warm-up (its share of the schedule)",
                    )
            if windows.burn_in >= total and row.detector == "unbiased_teacher":
                faults.add(
                    f"scale {scale.scale!r}: method.burn_in, row {row.id!r}",
                    found=f"a burn-in of {windows.burn_in} iterations",
                    expected=f"less than the run's {total} iterations",
                    fix="lengthen the run or shorten the burn-in (its share of the schedule)",
                )
        return windows


def method(row: Row, scale: Scale, classes: int) -> dict[str, Any]:
    """The configuration of `gbss.detection.method.Method`.

    Args:
        row: The choices.
        scale: Windows and optimizer.
        classes: n, without the background.
    """
    windows = Windows.of(row, scale)
    momentum = 1 - 1 / windows.matrix
    config: dict[str, Any] = {
        "type": "gbss.detection.method.Method",
        "statistics": {
            "type": "gbss.imbalance.gradients.GradientStatistics",
            "classes": classes + 1,
            "warmup": windows.weights_warmup,
            "momentum": momentum,
            "pseudo_weight": scale.batch.unlabeled_weight,
            "variant": row.variant,
        },
        "thresholds": {
            "type": "gbss.imbalance.thresholds.ClassThresholds",
            "classes": classes,
            "warmup": windows.thresholds_warmup,
            "base": BASE_THRESHOLD[row.detector],
            "floor": floor(row),
            # Without GbT every class has θ, whatever the variant.
            "variant": row.variant if row.thresholds == "gbt" else "paper",
        },
        "class_wise": row.thresholds == "gbt",
        "focal_gamma": losses.focal_exponent(row),
    }
    if row.one_stage:
        config["focal_alpha"] = losses.focal_alpha(row)
    if row.solver is not None:
        config["weights"] = _weights(row, scale, windows, classes + 1)
    if row.beta is not None:
        config["factors"] = {
            "type": "gbss.imbalance.reweighting.SampleWeights",
            "beta": row.beta,
            "momentum": momentum,
            "variant": row.variant,
        }
    return config


def floor(row: Row) -> float:
    """The smallest class-wise threshold of a row."""
    return ONE_STAGE_FLOOR if row.one_stage else FLOOR


def _weights(row: Row, scale: Scale, windows: Windows, columns: int) -> dict[str, Any]:
    common = {"classes": columns, "warmup": windows.weights_warmup}
    if row.solver == "direct":
        # Ten times while the Jacobi iterate would take one time constant.
        interval = max(round(windows.weights / 10), 1)
        return {
            "type": "gbss.imbalance.reweighting.DirectWeights",
            "interval": interval,
        } | common
    # A step of SGD moves a by lr / (1 - momentum) · 2 · loss_weight / C of its distance, hence a
    # time constant of C (1 - momentum) / (2 · loss_weight · lr) iterations. On COCO with lr 0.01
    # and 81 iterations that gives the released code's loss weight, 1 + 4.
    optimizer = scale.optimizer
    speed = 2 * optimizer.learning_rate / (columns * (1 - optimizer.momentum))
    return {
        "type": "gbss.imbalance.reweighting.JacobiWeights",
        "loss_weight": 1 / (speed * windows.weights),
        "variant": row.variant,
    } | common


def semi_train_settings(row: Row, scale: Scale) -> dict[str, Any]:
    """What row and scale change in the settings of mmdet's Soft Teacher."""
    settings: dict[str, Any] = {"unsup_weight": scale.batch.unlabeled_weight}
    if row.retrains is not None:
        settings["classifier_alone"] = True
    if row.detector == "unbiased_teacher":
        return settings | {"burn_in": Windows.of(row, scale).burn_in}
    if row.one_stage:
        settings["background_thr"] = one_stage.BACKGROUND_THRESHOLD
    if row.thresholds == "gbt" or row.one_stage:
        # mmdet's constant must let all thresholds by.
        settings["cls_pseudo_thr"] = floor(row)
    return settings


def sampler(row: Row, scale: Scale) -> dict[str, Any]:
    """Arguments of the sampler beyond the numbers of images."""
    config: dict[str, Any] = {}
    if scale.batch.parts > 1:
        config["parts"] = scale.batch.parts
    if scale.batch.ratio == "drawn" and row.detector == "soft_teacher":
        config["drawn"] = True
    if row.labeled_sampling == "class_aware":
        config["labeled_by_class"] = True
    if row.labeled_sampling == "rfs":
        config["labeled_threshold"] = row.rfs_threshold
    return config


def optimizer_settings(row: Row) -> dict[str, Any]:
    """What a row adds to the optimizer: weight decay would pull the class weights towards 1."""
    settings: dict[str, Any] = {}
    if row.solver == "jacobi":
        settings["constructor"] = "gbss.detection.optimizer.OptimizerConstructor"
    if row.one_stage:
        settings["clip_grad"] = {"max_norm": one_stage.GRADIENT_NORM}
    return settings


def hooks(row: Row, scale: Scale) -> list[dict[str, Any]]:
    """The hooks of the method, in order."""
    windows = Windows.of(row, scale)
    pooled = row.unlabeled_sampling != "random"
    found: list[dict[str, Any]] = [
        {"type": "gbss.detection.method_hooks.MethodHook", "pool": pooled}
    ]
    if LOSSES[row.loss].prior:
        found.append({"type": "gbss.detection.method_hooks.PriorHook"})
    if pooled:
        found.append(
            {
                "type": "gbss.detection.method_hooks.ResampleHook",
                "strategy": row.unlabeled_sampling,
                "threshold": row.rfs_threshold if row.gamma is None else row.gamma,
                "merge_interval": windows.merge,
                "interval": windows.resample,
                "delay": min(FETCHED_AHEAD, windows.resample),
                "variant": row.variant,
            }
        )
    found.append(
        {
            "type": "gbss.detection.training_log.TrainingLogHook",
            "interval": max(scale.schedule.iterations // SNAPSHOTS, 1),
        }
    )
    return found
