"""How to train on data of the user's own: settings that follow from how many images there are."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from math import ceil
from typing import Literal

DeviceName = Literal["gpu", "cpu"]


@dataclass(frozen=True)
class Device:
    """What a kind of machine is given; the GPU's are the paper's settings, the CPU's the demo's.

    Attributes:
        summary: For captions.
        detector: The base detector.
        pretraining: Its first weights.
        images: Images that a batch has at most.
        ratio: Unlabeled images for a labeled one, at most.
        passes: How often a labeled image is seen.
        reference: The learning rate for so many images in a batch, those included.
        bounds: Iterations, at least and at most.
        decay: Shares of the schedule after which the learning rate falls.
    """

    summary: str
    detector: str
    pretraining: str
    images: int
    ratio: int
    passes: int
    reference: tuple[float, int]
    bounds: tuple[int, int]
    decay: tuple[float, ...]
    warmup: int
    teacher_momentum: float
    unlabeled_weight: int
    workers: int
    log_interval: int
    train: str
    detect: str


DEVICES: dict[DeviceName, Device] = {
    "gpu": Device(
        summary="own data, ResNet-50 on one GPU",
        detector="resnet50",
        pretraining='{checkpoint: "open-mmlab://detectron2/resnet50_caffe"}',
        images=5,
        ratio=4,
        passes=140,
        reference=(0.01, 40),
        bounds=(10_000, 180_000),
        decay=(2 / 3, 8 / 9),
        warmup=500,
        teacher_momentum=0.999,
        unlabeled_weight=4,
        workers=5,
        log_interval=50,
        train="{threads: 6, gpu: 1, mem_mb: 32000, runtime: 4320}",
        detect="{threads: 6, gpu: 1, mem_mb: 32000, runtime: 240}",
    ),
    "cpu": Device(
        summary="own data at 128 x 128 pixels, the small detector on a CPU",
        detector="small",
        pretraining="{task: mini-coco, steps: 400, batch: 128, seed: 7}",
        images=8,
        ratio=1,
        passes=54,
        reference=(0.02, 8),
        bounds=(1_600, 20_000),
        decay=(13 / 16,),
        warmup=200,
        teacher_momentum=0.99,
        unlabeled_weight=2,
        workers=0,
        log_interval=20,
        train="{threads: 1, gpu: 0, mem_mb: 4000, runtime: 1440}",
        detect="{threads: 1, gpu: 0, mem_mb: 2000, runtime: 240}",
    ),
}

_WHY: dict[DeviceName, str] = {
    "gpu": (
        "For one GPU, from the paper's settings: 8 GPUs x (1 labeled + 4 unlabeled images), "
        "learning rate 0.01, 180,000 iterations. For N GPUs: learning_rate and gpu, threads and "
        "mem_mb of 'train' times N; the same passes then take an N-th of the iterations. The "
        "backbone's weights are downloaded once."
    ),
    "cpu": (
        "For a CPU, with the demo's settings: the small detector, and images scaled down to "
        "128 x 128 pixels; ResNet-50 at full resolution is out of a CPU's reach. So this shows "
        "that all works on your data, not what can be reached on them: small objects vanish. "
        "`gbss task init` with --device gpu writes the settings for a GPU. The backbone learns "
        "from embedded drawings, so nothing is downloaded."
    ),
}

_MATRIX, _WARMUP_WINDOWS, _BURN_IN_WINDOWS, _WEIGHTS = 100, 3, 2, 33
"""Iterations of the demo: the matrix must see every class several times; warm-up and burn-in last
some such windows."""


def find_device() -> DeviceName:
    """``gpu`` where nvidia-smi lists one, else ``cpu``."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return "cpu"
    done = subprocess.run([command, "-L"], capture_output=True, text=True, check=False)
    return "gpu" if done.returncode == 0 and "GPU" in done.stdout else "cpu"


@dataclass(frozen=True)
class Training:
    """Settings that follow from the data.

    Attributes:
        device: For which machine.
        seen: Labeled images with a box, which training uses.
        pool: Unlabeled images.
    """

    device: DeviceName
    seen: int
    pool: int

    @property
    def ratio(self) -> int:
        """Unlabeled images for each labeled one: never more than there are, and at least 1."""
        return max(1, min(DEVICES[self.device].ratio, self.pool // max(1, self.seen)))

    @property
    def labeled(self) -> int:
        """Labeled images of a batch."""
        return max(1, DEVICES[self.device].images // (1 + self.ratio))

    @property
    def images(self) -> int:
        """Images of a batch."""
        return self.labeled * (1 + self.ratio)

    @property
    def learning_rate(self) -> float:
        """In proportion to the images of a batch."""
        rate, images = DEVICES[self.device].reference
        return float(f"{rate * self.images / images:.6g}")

    @property
    def wished(self) -> int:
        """Iterations of all passes, in full hundreds."""
        return 100 * ceil(DEVICES[self.device].passes * self.seen / self.labeled / 100)

    @property
    def iterations(self) -> int:
        """The same within bounds."""
        least, most = DEVICES[self.device].bounds
        return max(least, min(most, self.wished))

    def windows(self) -> dict[str, float]:
        """Iterations of the method: the paper's shares, unless a window would see too little."""
        total = self.iterations
        least = max(self.seen / self.labeled, _MATRIX)
        matrix = min(max(1_000 / 180_000 * total, least), total / 16)
        return {
            "warmup": min(max(4_000 / 180_000 * total, _WARMUP_WINDOWS * matrix), total * 3 / 16),
            "matrix": matrix,
            "weights": min(max(81 / 180_000 * total, _WEIGHTS), total / 48),
            "merge": 4_000 / 180_000 * total,
            "resample": 16_000 / 180_000 * total,
            "burn_in": min(max(2_000 / 180_000 * total, _BURN_IN_WINDOWS * matrix), total / 8),
        }


def training_text(training: Training) -> str:
    """The section ``training`` of a task's file, with the arithmetic in comments."""
    device, t = DEVICES[training.device], training
    (rate, images), (least, most) = device.reference, device.bounds
    total = t.iterations
    decay = ", ".join(str(round(share * total)) for share in device.decay)
    shares = [f"  {name}: {part / total:.6g}" for name, part in t.windows().items()]
    lengths = ", ".join(f"{name} {round(part):,}" for name, part in t.windows().items())
    passes = total * t.labeled / max(1, t.seen)
    limit = f"1 to {device.ratio}" if device.ratio > 1 else "always"
    lines = [
        comment(_WHY[t.device]),
        f"summary: {device.summary}",
        comment("More seeds give a mean and a deviation in the tables: [1, 2, 3]."),
        "seeds: [1]",
        f"detector: {device.detector}",
        f"pretraining: {device.pretraining}",
        comment(
            f"{device.passes} passes over the {t.seen:,} labeled images with a box, {t.labeled} at "
            f"a time, are {t.wished:,} iterations; within {least:,} and {most:,}: {total:,}, or "
            f"{passes:.3g} passes."
        ),
        (
            f"schedule: {{iterations: {total}, warmup: {device.warmup}, decay: [{decay}], "
            f"checkpoint_interval: {min(2_000, total // 8)}, log_interval: {device.log_interval}}}"
        ),
        comment(f"{rate} for {images} images in a batch; here {t.images}."),
        (
            f"optimizer: {{learning_rate: {t.learning_rate}, momentum: 0.9, weight_decay: 0.0001, "
            f"teacher_momentum: {device.teacher_momentum}}}"
        ),
        comment(
            f"In iterations: {lengths}. The paper's shares of the schedule, but the matrix sees "
            f"{_MATRIX} iterations and a pass over the labeled images, where the schedule is long "
            "enough."
        ),
        "method:",
        *shares,
        comment(
            f"{t.pool:,} unlabeled images for {t.seen:,} labeled ones: {t.ratio} for each "
            f"({limit}), {t.images} in a batch (at most {device.images})."
        ),
        (
            f"batch: {{labeled: {t.labeled}, unlabeled: {t.labeled * t.ratio}, "
            f"unlabeled_weight: {device.unlabeled_weight}, workers: {device.workers}}}"
        ),
        comment("Memory in MB and minutes (runtime) matter on a cluster only."),
        "resources:",
        f"  train: {device.train}",
        f"  detect: {device.detect}",
    ]
    return "training:\n" + "".join(f"  {line}\n" for line in "\n".join(lines).splitlines())


def comment(text: str) -> str:
    """A text as lines of a comment, for a section that is indented by two."""
    return textwrap.fill(
        text,
        width=98,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
