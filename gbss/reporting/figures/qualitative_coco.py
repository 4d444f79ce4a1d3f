"""Figure 8: detections on COCO, image by image."""

from __future__ import annotations

from gbss.reporting.figure import Figure
from gbss.reporting.qualitative import PAPER_NOTE, draw, numbers
from gbss.reporting.study import Need

FIGURE = Figure(
    title="Detections on COCO: the largest gains on minority classes, and the largest losses",
    task="coco-split1",
    needs=(Need.DETECTIONS,),
    numbers=numbers,
    draw=draw,
    compared=("soft-teacher-rfs", "daso", "defrcn", "gbss"),
    one_seed=True,
    paper=8,
    note=PAPER_NOTE,
)
