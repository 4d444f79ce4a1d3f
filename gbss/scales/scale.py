"""A scale in typed parts, and what it says about tasks and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gbss import tasks
from gbss.errors import fail
from gbss.experiments import Row
from gbss.scales.parts import Batch, Job, MethodWindows, Optimizer, Schedule

DEFAULT = "paper"
"""The scale of commands on the whole grid, and of Snakemake, that are told none."""

NAMES = ("scale", "summary", "seeds", "tasks", "roots", "resources", "changes", "replaced")
"""Fields of a scale that no single run depends on."""


@dataclass(frozen=True)
class Scale:
    """A checked scale file; the fields are described in ``workflow/config.schema.yaml``.

    ``replaced`` names the one task that was put in the place of those in the file (``--task``).
    """

    scale: str
    summary: str
    seeds: tuple[int, ...]
    tasks: Mapping[str, str]
    roots: Mapping[str, str]
    detector: str
    pretraining: Mapping[str, Any]
    schedule: Schedule
    optimizer: Optimizer
    method: MethodWindows
    batch: Batch
    resources: Mapping[str, Job]
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    replaced: str | None = None

    @property
    def caption(self) -> str:
        """What captions say of it; its name, always, so that no number passes for another's."""
        return f"{self.scale} scale, {self.summary}"

    @property
    def place(self) -> Path:
        """Where its tables lie below those of all scales: never over those of another task."""
        return Path(self.scale, *([self.replaced] if self.replaced else []))

    def task_of(self, task: str) -> str | None:
        """The task that stands for ``task`` at this scale; None if it has no place here."""
        return self.tasks.get(task)

    def of(self, task: str) -> Scale:
        """The scale with its changes for a task that rows name (the paper's, not its stand-in)."""
        parts = {
            name: replace(getattr(self, name), **values)
            for name, values in self.changes.get(task, {}).items()
        }
        return replace(self, **parts, changes={})

    def root(self, task: str) -> Path:
        """The folder with a task's annotation files and images.

        Raises:
            GbssError: The task has files of its own, and the scale does not say where they are.
        """
        if tasks.get(task).drawing is not None:
            return Path("build/data") / task
        if (own := tasks.get(task).root) is not None:
            return own
        if task not in self.roots:
            raise fail(
                f"scale {self.scale!r}: roots",
                found=", ".join(self.roots) or "nothing",
                expected=f"the folder with the files of {task!r}",
                fix=f"add 'roots: {{{task}: /path/to/data}}' to the scale file",
            )
        return Path(self.roots[task])

    def require(self, task: str) -> Path:
        """The data root of a task, after a look whether its files are there.

        Raises:
            GbssError: With everything that is missing.
        """
        root, sources = self.root(task), tasks.get(task).sources
        if tasks.get(task).root is not None and (missing := tasks.get(task).missing(root)):
            raise fail(
                f"{tasks.own.path_of(task)}: task.files",
                found=f"no {', no '.join(missing)}",
                expected="these files and folders",
                fix="correct the paths; they are relative to the folder that you are in",
            )
        if tasks.get(task).drawing is None and (missing := tasks.get(task).missing(root)):
            here = f"under 'roots' of the scale {self.scale!r}"
            fetching = f"`gbss fetch {task} --root {root}` (docs/data.md)"
            raise fail(
                f"{root}: the data of {task}, named {here}",
                found=f"no {', no '.join(missing)}",
                expected="these files and folders",
                fix=f"{fetching}; or, if you have them, name their folder {here}"
                if sources
                else f"put them there, or name their folder {here}",
            )
        return root

    def images(self, row: Row) -> tuple[int, int]:
        """Labeled and unlabeled images of one part of a row's batch.

        Unbiased Teacher has as many labeled as unlabeled ones; the supervised detector the labeled
        ones of the others.
        """
        batch = self.batch
        if row.detector == "unbiased_teacher":
            return max(batch.labeled, batch.unlabeled), max(batch.labeled, batch.unlabeled)
        return batch.labeled, 0 if row.detector == "supervised" else batch.unlabeled

    def settings(self, row: Row) -> dict[str, Any]:
        """What a published record of a row is held against: its method, and the scale's part."""
        return {"method": row.method, "scale": self.training(row)}

    def training(self, row: Row) -> dict[str, Any]:
        """The part that decides what a run of a row computes: no seeds, machine facts and names."""
        parts: dict[str, Any] = asdict(self.of(row.task))
        parts["schedule"]["decay"] = list(parts["schedule"]["decay"])  # as JSON gives it back
        for name in NAMES:
            del parts[name]
        # None of them changes a result, so none may make a finished run look outdated.
        for name in ("checkpoint_interval", "log_interval", "validation_interval"):
            del parts["schedule"][name]
        del parts["batch"]["workers"]
        burn_in = parts["method"].pop("burn_in")
        if not row.windowed:
            del parts["method"]
        if row.detector == "unbiased_teacher":
            parts.setdefault("method", {})["burn_in"] = burn_in
        # Scales had neither key at first; finished runs stay what they are.
        if self.batch.ratio == "fixed":
            del parts["batch"]["ratio"]
        if self.batch.parts == 1:
            del parts["batch"]["parts"]
        return parts
