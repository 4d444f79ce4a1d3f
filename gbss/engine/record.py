"""Evaluation of a finished run: its detections become a run record."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from gbss.engine.run import Run
from gbss.errors import fail
from gbss.evaluation import record as run_record
from gbss.evaluation.bootstrap import RESAMPLES, intervals
from gbss.evaluation.case import load
from gbss.evaluation.groups import group_means
from gbss.evaluation.oddities import print_oddities
from gbss.evaluation.per_class import measure
from gbss.files import read_json, sha256

_NEEDED = ("run", "settings", "versions", "inputs", "training")


def record(run: Run, output: Path, resamples: int = RESAMPLES) -> None:
    """Evaluates the detections of a run and writes its record.

    Args:
        run: A run with detections.
        output: The JSON file to write.
        resamples: How often validation images are drawn for the intervals of the AP.

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
    case = load(run.inputs.val, run.detections, run.task.classes, protocol=run.task.protocol)
    print_oddities(case)
    per_class, groups = measure(case), run.task.groups
    built = run_record.build(
        run=manifest["run"],
        model="teacher",
        settings=manifest["settings"],
        versions=manifest["versions"] | {"hotcoco": version("hotcoco")},
        training=manifest["training"],
        inputs=manifest["inputs"] | {"val": sha256(run.inputs.val)},
        per_class=per_class,
        groups=groups,
        intervals=intervals(case, group_means(per_class, groups), groups, resamples),
    )
    run_record.write(output, built)
    for group, means in built["groups"].items():
        ends = built["intervals"]["groups"][group]
        if means["ap"] is None or ends is None:
            print(f"{group}: no ground truth")
        else:
            low, high = 100 * ends["low"], 100 * ends["high"]
            print(f"{group}: AP {100 * means['ap']:.1f} ({low:.1f} to {high:.1f})")
