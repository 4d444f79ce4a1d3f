"""Evaluation of a finished run: its detections become a run record."""

from __future__ import annotations

from pathlib import Path

from gbss.engine.run import Run
from gbss.errors import fail
from gbss.evaluation import record as run_record
from gbss.evaluation.per_class import evaluate
from gbss.files import read_json, sha256

_NEEDED = ("run", "settings", "versions", "inputs", "training")


def record(run: Run, output: Path) -> None:
    """Evaluates the detections of a run and writes its record.

    Args:
        run: A run with detections.
        output: The JSON file to write.

    Raises:
        GbssError: Detections, annotations or the manifest are missing or broken.
    """
    manifest = read_json(run.manifest, what="manifest of a run")
    if missing := [key for key in _NEEDED if key not in manifest]:
        raise fail(
            str(run.manifest),
            found=f"no {', '.join(missing)}",
            expected="the manifest of a finished run",
            fix="train the run to its end",
        )
    per_class = evaluate(
        run.inputs.val, run.detections, run.task.classes, protocol=run.task.protocol
    )
    built = run_record.build(
        run=manifest["run"],
        model="teacher",
        settings=manifest["settings"],
        versions=manifest["versions"],
        training=manifest["training"],
        inputs=manifest["inputs"] | {"val": sha256(run.inputs.val)},
        per_class=per_class,
        groups=run.task.groups,
    )
    run_record.write(output, built)
    for group, means in built["groups"].items():
        shown = "no ground truth" if means["ap"] is None else f"{100 * means['ap']:.1f}"
        print(f"{group}: AP {shown}")
