"""Figure 9: detections on COCO → Objects365, image by image."""

from __future__ import annotations

from gbss.reporting.figure import Figure
from gbss.reporting.qualitative import PAPER_NOTE, draw, numbers
from gbss.reporting.study import Need

FIGURE = Figure(
    title="Detections on COCO → Objects365: the largest gains on minority classes, and the "
    "largest losses",
    task="coco-objects365",
    needs=(Need.DETECTIONS,),
    numbers=numbers,
    draw=draw,
    compared=("soft-teacher-rfs", "eqlv2", "defrcn", "gbss"),
    one_seed=True,
    paper=9,
    note=PAPER_NOTE,
)
