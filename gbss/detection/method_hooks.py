"""Hooks that tell the method and the sampler when something is due; they compute nothing."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from gbss.detection.method import Method
from gbss.detection.observed import observed_head
from gbss.detection.repeats import Strategy, UnlabeledRepeats, labeled_boxes
from gbss.imbalance.variant import Variant


def method_of(runner: Runner) -> Method:
    """The method of the detector that is trained."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model.method


class MethodHook(Hook):
    """Tells the method which iteration it is, and takes the sampler's state into checkpoints.

    Args:
        pool: Whether pseudo labels are pooled.
    """

    priority = "VERY_HIGH"

    def __init__(self, pool: bool) -> None:
        self.pool = pool

    def before_train(self, runner: Runner) -> None:
        """Makes the pool of a run that is not resumed."""
        self._make_pool(runner)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any | None = None
    ) -> None:
        """Begins a step of the method."""
        method_of(runner).begin(runner.iter)

    def before_checkpoint(self, runner: Runner) -> None:
        """Brings together what a checkpoint would lose."""
        method_of(runner).exchange()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds the sampler's state."""
        checkpoint["sampler"] = runner.train_dataloader.sampler.state_dict()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Restores the sampler's state, before mmengine moves the sampler on.

        The model's own state is loaded after this, so the pool is made here. Before, mmengine sends
        all of the model to the other processes, and collectives know no 16-bit integers.
        """
        self._make_pool(runner)
        if "sampler" in checkpoint:
            runner.train_dataloader.sampler.load_state_dict(checkpoint["sampler"])

    def _make_pool(self, runner: Runner) -> None:
        method = method_of(runner)
        if self.pool and method.pool is None:
            unlabeled = runner.train_dataloader.dataset.datasets[1]
            ids = [unlabeled.get_data_info(index)["img_id"] for index in range(len(unlabeled))]
            method.attach_pool(ids)


class ResampleHook(Hook):
    """Merges the pool and changes the repeats of the unlabeled images, each at its interval.

    New repeats hold from ``delay`` iterations later on, whatever the number of loading processes
    and however far they have fetched ahead: so a resumed run draws what an uninterrupted one does.

    The released code takes λ, frequencies and pool of the merge before the one that is due.

    Args:
        strategy: See `gbss.detection.repeats.Strategy`.
        threshold: t of RFS, cap of CrS.
        merge_interval: Iterations between two merges of the pool.
        interval: Iterations between two changes of the repeats.
        delay: Iterations until a change holds.
        variant: See above.
    """

    # After everything that belongs to the iteration, before the checkpoint.
    priority = "LOW"

    def __init__(
        self,
        strategy: Strategy,
        threshold: float,
        merge_interval: int,
        interval: int,
        delay: int,
        variant: Variant,
    ) -> None:
        self.strategy = strategy
        self.threshold = threshold
        self.merge_interval = merge_interval
        self.interval = interval
        self.delay = delay
        self.variant = variant

    def before_train(self, runner: Runner) -> None:
        """Counts the classes of the labeled images."""
        labeled = runner.train_dataloader.dataset.datasets[0]
        self.repeats = UnlabeledRepeats(
            labeled, self.strategy, self.threshold, runner.max_iters, self.variant
        )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Does what is due."""
        done = runner.iter + 1
        change = done % self.interval == 0
        if change and self.variant == "release":
            self._change(runner, done, (done - 1) // self.merge_interval * self.merge_interval)
        if done % self.merge_interval == 0 or (change and self.variant == "paper"):
            pool = method_of(runner).pool
            assert pool is not None
            pool.exchange()
            pool.merge()
        if change and self.variant == "paper":
            self._change(runner, done, done)

    def _change(self, runner: Runner, done: int, of: int) -> None:
        method = method_of(runner)
        assert method.pool is not None
        copies, class_repeats = self.repeats(method.pool, of)
        method.class_repeats.copy_(class_repeats)
        runner.train_dataloader.sampler.change(done + self.delay, copies)


class PriorHook(Hook):
    """Tells a loss, in student and teacher, how many labeled boxes each class has."""

    def before_train(self, runner: Runner) -> None:
        """Counts the boxes that are trained on, each once."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        labeled = runner.train_dataloader.dataset.datasets[0]
        classes = len(labeled.metainfo["classes"])
        counts = labeled_boxes(labeled)[1].bincount(minlength=classes)
        for detector in (model.student, model.teacher):
            observed_head(detector).own_loss.set_prior(counts)
