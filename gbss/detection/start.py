"""Second stages: a run that starts from the weights of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from gbss.detection.checkpoints import read_checkpoint
from gbss.detection.semi import CLASSIFIER
from gbss.errors import fail

LOSS = "roi_head.bbox_head.loss_cls."
"""Where the state of a classification loss stands in student and teacher."""


class StartHook(Hook):
    """Gives the student another run's teacher, but for the classifier, which stays new (cRT).

    The teacher is what the first stage is tested with. A resumed run has all of this in its
    checkpoint.

    Args:
        path: Final weights of the other run.
    """

    # Before the student is copied to the teacher.
    priority = "VERY_HIGH"

    def __init__(self, path: str) -> None:
        self.path = path

    def before_train(self, runner: Runner) -> None:
        """Loads the weights.

        Raises:
            GbssError: They cannot be read, or are those of another kind of detector.
        """
        if runner.iter:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        saved = read_checkpoint(Path(self.path))["state_dict"]
        given = {
            key.removeprefix("teacher."): value
            for key, value in saved.items()
            if key.startswith("teacher.")
        }
        self._load(model.student, {k: v for k, v in given.items() if not _is_new(k)})

    def _load(self, student: Any, given: dict[str, Any]) -> None:
        wanted = {key: value for key, value in student.state_dict().items() if not _is_new(key)}
        differing = sorted(
            key
            for key in wanted.keys() | given.keys()
            if key not in wanted or key not in given or wanted[key].shape != given[key].shape
        )
        if differing:
            raise fail(
                self.path,
                found=f"{len(differing)} weights that do not fit, the first is {differing[0]}",
                expected="the weights of a run with the same base detector",
                fix="name another row under 'retrains'",
            )
        student.load_state_dict(given, strict=False)


def _is_new(key: str) -> bool:
    """Whether a weight belongs to the classifier or its loss, which the second stage makes anew."""
    return key.startswith((CLASSIFIER, LOSS))
