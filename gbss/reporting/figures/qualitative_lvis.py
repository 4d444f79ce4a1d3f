"""Figure 10: detections on LVIS, image by image."""

from __future__ import annotations

from gbss.reporting.figure import Figure
from gbss.reporting.qualitative import PAPER_NOTE, draw, numbers
from gbss.reporting.study import Need

FIGURE = Figure(
    title="Detections on LVIS: the largest gains on minority classes, and the largest losses",
    task="lvis",
    needs=(Need.DETECTIONS,),
    numbers=numbers,
    draw=draw,
    compared=("soft-teacher-rfs", "eqlv2", "daso", "gbss"),
    one_seed=True,
    paper=10,
    note=PAPER_NOTE,
)
