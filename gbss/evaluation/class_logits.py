"""A detector's logits on objects whose boxes are given: what it thinks of each class."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gbss.errors import fail
from gbss.files import atomic_path
from gbss.splits.annotations import Floats, Ints

_REMAKE = "write it again with `gbss class-logits`"


@dataclass(frozen=True, eq=False)
class ClassLogits:
    """Means over the objects of each of n classes; C = n + 1 columns, background last.

    Seesaw loss has n + 2 outputs: its last column here is the objectness of the background, and
    that of objects is left out.

    Attributes:
        objects: (n,) how many objects of a class there were, crowds apart.
        logits: (n, C) entry [k, i]: mean logit of class i on objects of class k; NaN without any.
        scores: (n, C) the same of the scores of results, after the detector's own activation.
        bias: (C,) of the classifier; NaN for one without.
        norms: (C,) length of the classifier's weights.
    """

    objects: Ints
    logits: Floats
    scores: Floats
    bias: Floats
    norms: Floats


def write_class_logits(path: Path, logits: ClassLogits) -> None:
    """Writes NumPy's ``.npz`` in one step, in float32."""
    columns = {
        name: values if name == "objects" else values.astype(np.float32)
        for name, values in vars(logits).items()
    }
    with atomic_path(path) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **columns)


def read_class_logits(path: Path) -> ClassLogits:
    """Reads what `write_class_logits` wrote.

    Raises:
        GbssError: The file is missing or broken.
    """
    names = ("logits", "scores", "bias", "norms")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            floats = {name: stored[name].astype(np.float64) for name in names}
            return ClassLogits(objects=stored["objects"], **floats)
    except FileNotFoundError as error:
        raise fail(str(path), found="no such file", expected="class logits", fix=_REMAKE) from error
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise fail(
            str(path), found=f"unreadable: {error}", expected="class logits", fix=_REMAKE
        ) from error
