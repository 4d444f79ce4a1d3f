"""The parts of a scale: schedule, optimizer, method, batch and what jobs ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """When things happen in a training run, in iterations.

    Attributes:
        iterations: Length of the run.
        warmup: Length of the linear learning-rate warm-up.
        decay: After each of these the learning rate is divided by ten.
        checkpoint_interval: A killed run loses at most so many.
        log_interval: A line of progress is written every so many.
        validation_interval: AP of the teacher is told every so many; 0: never. Every run is
            evaluated after its training.
    """

    iterations: int
    warmup: int
    decay: tuple[int, ...]
    checkpoint_interval: int
    log_interval: int
    validation_interval: int = 0


@dataclass(frozen=True)
class Optimizer:
    """SGD for the student, exponential moving average for the teacher.

    Attributes:
        learning_rate: Of the whole batch over all processes.
        momentum: Of SGD.
        weight_decay: Of SGD.
        teacher_momentum: Share of the teacher that is kept in each iteration.
    """

    learning_rate: float
    momentum: float
    weight_decay: float
    teacher_momentum: float


@dataclass(frozen=True)
class MethodWindows:
    """Lengths of the method as shares of the schedule, so that a shorter one keeps its proportions.

    Attributes:
        warmup: With class weights 1 and equal thresholds (paper, COCO: 4,000 of 180,000).
        matrix: Window of the running means, 1 / (1 - momentum) (release: 1,000 of 180,000).
        weights: Time constant of the class weights (release, COCO: 81 of 180,000).
        merge: Between two merges of the pool (release: 4,000 of 180,000).
        resample: Between two changes of the sampling (release, COCO: 16,000 of 180,000).
        burn_in: Before Unbiased Teacher's teacher begins (its original, COCO: 2,000 of 180,000).
    """

    warmup: float
    matrix: float
    weights: float
    merge: float
    resample: float
    burn_in: float = 2_000 / 180_000


@dataclass(frozen=True)
class Batch:
    """Images of one iteration: so many in each of ``parts`` equal parts.

    The processes share the parts; ``workers`` load images for each process (0: it loads itself).
    ``unlabeled_weight`` is the weight of the unlabeled losses against the labeled ones (Soft
    Teacher: 4); ``ratio`` says whether the number of labeled images of a part is ``fixed`` or
    ``drawn`` for each batch.
    """

    labeled: int
    unlabeled: int
    unlabeled_weight: float
    workers: int
    ratio: str = "fixed"
    parts: int = 1

    @property
    def size(self) -> int:
        """Images per part."""
        return self.labeled + self.unlabeled


@dataclass(frozen=True)
class Job:
    """What one job of a rule asks for on each of its nodes; ``runtime`` in minutes."""

    threads: int
    gpu: int
    mem_mb: int
    runtime: int
    nodes: int = 1
    processes: int | None = None

    @property
    def gpus(self) -> int:
        """On all nodes together."""
        return self.nodes * self.gpu

    @property
    def processes_per_node(self) -> int:
        """One for each GPU, if the scale does not say otherwise."""
        return self.processes or max(1, self.gpu)
