"""Rows, a table and records with numbers that can be computed by hand."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gbss.evaluation import record
from gbss.evaluation.per_class import PerClass
from gbss.evaluation.record import Record
from gbss.experiments import PaperNumbers, TableSpec

GROUPS = {"majority": ("dog", "kite", "cat"), "minority": ("bus",)}


@pytest.fixture
def make_record() -> Callable[..., Record]:
    """A record of the row ``plain`` in which minority AP is ``low`` and majority AP ``high``."""

    def make(
        low: float | None, high: float, *, iterations: int = 700, labeled: str = "a", **run: Any
    ) -> Record:
        ap = np.array([high - 0.1, np.nan if low is None else low, high, high + 0.1])
        return record.build(
            run={"scale": "demo", "task": "mini", "row": "plain", "seed": 1, **run},
            model="teacher",
            settings={"iterations": iterations},
            versions={"python": "3.11.7"},
            training={"iterations": iterations, "seconds": 12.5, "device": "cpu"},
            inputs={"build/splits/mini/labeled.json": labeled * 64},
            per_class=PerClass(
                images=6,
                ids=(3, 7, 8, 40),
                names=("kite", "bus", "cat", "dog"),
                ground_truth=np.array([8, 0 if low is None else 2, 5, 13]),
                ap=ap,
                ap50=ap,
                ap75=ap,
                ar=ap,
            ),
            groups=GROUPS,
        )

    return make


@pytest.fixture
def spec() -> TableSpec:
    return TableSpec(
        id="main_coco",
        title="Main results",
        task="coco-split1",
        columns=("all", "majority", "minority"),
        notes=("Printed 22.3, computed 22.8.",),
    )


@pytest.fixture
def rows() -> tuple[Any, ...]:
    """Two rows; tables read no more of a row than this."""
    paper = PaperNumbers("supplement, Table 3", {"all": 25.5, "majority": 30.9, "minority": 9.4})
    return (
        SimpleNamespace(id="plain", label="Soft Teacher", paper={"main_coco": paper}),
        SimpleNamespace(id="ours", label="Ours_β|100 %", paper={}),
    )


@pytest.fixture
def task() -> Any:
    return SimpleNamespace(name="mini", title="mini (embedded, 4 classes)")
