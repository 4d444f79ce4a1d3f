"""An evaluation as plain text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from gbss.evaluation.bootstrap import LEVEL
from gbss.evaluation.groups import GroupResult
from gbss.evaluation.paired import Difference
from gbss.evaluation.per_class import PerClass
from gbss.reporting.render import NO_GROUND_TRUTH

_HEAD = ("AP", "AP50", "AP75", "AR")


def evaluation_text(per_class: PerClass, groups: Mapping[str, GroupResult]) -> str:
    """AP and recall of each class, then of each group, as fractions.

    They have three digits like those of COCO's own tool.

    Args:
        per_class: AP per class.
        groups: Group → means, as `gbss.evaluation.groups.group_means` gives them.

    Returns:
        Aligned lines; what has no ground truth shows no number.
    """
    lines: list[tuple[str, ...]] = [("class", "boxes", *_HEAD)]
    for k, name in enumerate(per_class.names):
        values = (per_class.ap[k], per_class.ap50[k], per_class.ap75[k], per_class.ar[k])
        lines.append((name, str(per_class.ground_truth[k]), *map(_fraction, values)))
    lines.append(("group", "classes", *_HEAD))
    for name, result in groups.items():
        count = f"{result.evaluated} of {result.classes}"
        lines.append(
            (name, count, *map(_fraction, (result.ap, result.ap50, result.ap75, result.ar)))
        )
    return aligned(lines)


def print_evaluation(per_class: PerClass, groups: Mapping[str, GroupResult]) -> None:
    """Prints `evaluation_text`."""
    print(evaluation_text(per_class, groups))


def differences_text(differences: Mapping[str, Difference]) -> str:
    """AP of two runs and their difference with its interval, in percent and points.

    Args:
        differences: Group → numbers, from `gbss.evaluation.paired.compare`.
    """
    level = f"{LEVEL:.0%}"
    lines: list[tuple[str, ...]] = [
        ("group", "one", "other", "difference", f"{level} interval", "more than noise")
    ]
    for group, found in differences.items():
        if found.one is None or found.other is None or found.interval is None:
            lines.append((group, *[NO_GROUND_TRUTH] * 5))
            continue
        ends = found.interval
        lines.append(
            (
                group,
                f"{100 * found.one:.1f}",
                f"{100 * found.other:.1f}",
                f"{100 * (found.one - found.other):+z.1f}",
                f"{100 * ends.low:+z.1f} to {100 * ends.high:+z.1f}",
                "no" if ends.low <= 0 <= ends.high else "yes",
            )
        )
    return aligned(lines)


def print_differences(differences: Mapping[str, Difference]) -> None:
    """Prints `differences_text`."""
    print(differences_text(differences))


def _fraction(value: float | None) -> str:
    return NO_GROUND_TRUTH if value is None or math.isnan(value) else f"{value:.3f}"


def aligned(lines: Sequence[tuple[str, ...]], left: Collection[int] = (0,)) -> str:
    """Lines of equally many texts as columns; those named in ``left`` begin at their left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        (text.ljust(width) if place in left else text.rjust(width))
        for line in lines
        for place, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
    count = len(widths)
    rows = ["  ".join(shown[k : k + count]) for k in range(0, len(shown), count)]
    return "\n".join(row.rstrip() for row in rows)
