"""The folder of one run: what was run in it, and what of it is still good."""

from __future__ import annotations

import copy
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gbss import __version__
from gbss.configs.resolve import Inputs
from gbss.detection.checkpoints import checkpoint_files, read_checkpoint
from gbss.errors import GbssError, fail
from gbss.evaluation.record import digest
from gbss.experiments import Row
from gbss.files import read_json, sha256, write_json
from gbss.grid.place import CLASS_LOGITS, DETECTIONS, MANIFEST, MODEL, PSEUDO_LABELS, TRAINING_LOG
from gbss.locks import FILES
from gbss.scales import Scale
from gbss.tasks import Task

PACKAGES = ("torch", "onedl-mmcv", "onedl-mmdetection", "onedl-mmengine", "numpy", "pycocotools")
"""Packages whose versions a run is recorded with."""


DECIDING_HOOKS = (
    "MeanTeacherHook",
    "gbss.detection.method_hooks.ResampleHook",
    "gbss.detection.unbiased_teacher.BurnInTeacherHook",
)
"""Hooks whose settings change what is learned."""

THRESHOLD_OF_METHOD = ("unbiased_teacher", "mean_teacher_retinanet")
"""Detectors that take θ from the method in every row; Soft Teacher without GbT has mmdet's."""


@dataclass(frozen=True)
class Run:
    """One run: a row of a task at a scale with a seed.

    Attributes:
        task: The task at this scale.
        row: The choices of the method.
        scale: Schedule, batch and optimizer.
        seed: Of everything random.
        folder: Where its checkpoints, logs and settings lie.
        inputs: What it is trained and tested with.
    """

    task: Task
    row: Row
    scale: Scale
    seed: int
    folder: Path
    inputs: Inputs

    @property
    def name(self) -> dict[str, Any]:
        """What tells it from other runs, as in `gbss.evaluation.record.Run`."""
        return {
            "scale": self.scale.scale,
            "task": self.task.name,
            "row": self.row.id,
            "seed": self.seed,
        }

    @property
    def model(self) -> Path:
        """The final weights."""
        return self.folder / MODEL

    @property
    def detections(self) -> Path:
        """What the teacher found in the validation images, in columns."""
        return self.folder / DETECTIONS

    @property
    def pseudo_labels(self) -> Path:
        """What the teacher found in unlabeled images."""
        return self.folder / PSEUDO_LABELS

    @property
    def class_logits(self) -> Path:
        """The teacher's logits on the objects of the validation images."""
        return self.folder / CLASS_LOGITS

    @property
    def training_log(self) -> Path:
        """The state of the method over training."""
        return self.folder / TRAINING_LOG

    @property
    def manifest(self) -> Path:
        """What was run, with what, and for how long."""
        return self.folder / MANIFEST

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the files that decide what is learned: labeled, unlabeled, backbone, start.

        Raises:
            GbssError: One of them is missing.
        """
        files = {name: getattr(self.inputs, name) for name in ("labeled", "unlabeled", "backbone")}
        if self.inputs.start is not None:
            files["start"] = self.inputs.start
        for path in files.values():
            if not path.is_file():
                raise fail(
                    str(path),
                    found="no such file",
                    expected="an input of the training",
                    fix="let Snakemake make it, or run `gbss split` and `gbss pretrain` first",
                )
        return {name: sha256(path) for name, path in files.items()}

    def identity(self, config: Mapping[str, Any]) -> str:
        """A digest of everything that decides the result: two runs with the same one are equal.

        Versions of packages are left out on purpose: an update in the middle of a long run must
        not discard it. They stand in the record.

        Args:
            config: The resolved configuration as plain data.
        """
        return digest(
            {
                "settings": self.scale.settings(self.row),
                "config": essence(config, self.row),
                # Of the batch; it does not matter which process trains them.
                "processes": self.scale.batch.parts,
                "task": self.task.name,
                "pixels": self.task.drawing.digest() if self.task.drawing else None,
                "seed": self.seed,
                "inputs": self.checksums(),
            }
        )


def essence(config: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """The part of a resolved configuration that decides what a row learns.

    Left out are where files lie (their content counts, by checksum), how data are loaded, what is
    logged and saved, testing, and the statistics of a row that only collects them; their θ stays
    for a detector of `THRESHOLD_OF_METHOD`.
    """
    loader = config["train_dataloader"]
    model = copy.deepcopy(config["model"])
    del model["detector"]["backbone"]["init_cfg"]
    if not row.windowed:
        method = model.pop("method")
        if row.detector in THRESHOLD_OF_METHOD:
            model["method"] = {"thresholds": {"base": method["thresholds"]["base"]}}
    return {
        "model": model,
        "iterations": config["train_cfg"]["max_iters"],
        "optimizer": config["optim_wrapper"],
        "schedulers": config["param_scheduler"],
        # Of one part: how many a process has does not matter.
        "batch": loader["sampler"]["labeled"] + loader["sampler"]["unlabeled"],
        "sampler": loader["sampler"],
        "datasets": [
            {key: dataset[key] for key in ("type", "metainfo", "filter_cfg", "pipeline")}
            for dataset in loader["dataset"]["datasets"]
        ],
        "hooks": [hook for hook in config["custom_hooks"] if hook["type"] in DECIDING_HOOKS],
    }


def prepare(run: Run, config: Mapping[str, Any], identity: str) -> Path | None:
    """Makes the folder ready for training: sets an outdated run aside, writes the manifest.

    Args:
        run: The run; its folder is locked.
        config: The resolved configuration as plain data.
        identity: Of the run with this configuration.

    Returns:
        The checkpoint to go on from; None to start.
    """
    if run.manifest.exists():
        found = read_json(run.manifest, what="manifest of a run").get("identity")
        if found != identity:
            _set_aside(run.folder, str(found)[:8])
    elif checkpoint_files(run.folder):
        # Nobody knows what they were trained with.
        _set_aside(run.folder, "unknown")
    for half in (run.folder / "checkpoints").glob(".iter_*"):
        half.unlink()
    checkpoint = newest_good_checkpoint(run.folder, identity)
    if checkpoint is None:
        write_json(
            run.manifest,
            {
                "run": run.name,
                "identity": identity,
                "settings": run.scale.settings(run.row) | {"config": config},
                "inputs": run.checksums(),
                "versions": versions(),
            },
        )
    return checkpoint


def _set_aside(folder: Path, name: str) -> None:
    target = folder.with_name(f"{folder.name}.outdated-{name}")
    number = 1
    while target.exists():
        number += 1
        target = folder.with_name(f"{folder.name}.outdated-{name}-{number}")
    target.mkdir()
    for entry in list(folder.iterdir()):
        if not entry.name.startswith(FILES):
            entry.rename(target / entry.name)
    said = f"settings or inputs changed: the run that was in {folder} is now in {target}"
    print(said, file=sys.stderr)


def newest_good_checkpoint(folder: Path, identity: str) -> Path | None:
    """The newest checkpoint of a run that can be read; others are renamed and reported."""
    for path in checkpoint_files(folder):
        try:
            owner = read_checkpoint(path)["meta"].get("identity")
        except GbssError as error:
            path.rename(path.with_suffix(".unreadable"))
            print(f"skipping a checkpoint:\n{error}", file=sys.stderr)
            continue
        # Checkpoints did not tell at first; the folder's manifest does.
        if owner in (None, identity):
            return path
        path.rename(path.with_suffix(".foreign"))
        said = f"skipping a checkpoint: {path} is of a run with other settings or inputs"
        print(said, file=sys.stderr)
    return None


def versions() -> dict[str, str]:
    """Versions of Python, gbss and what training depends on."""
    found = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "gbss": __version__} | found
