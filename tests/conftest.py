import json
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gbss import tasks
from gbss.data import Subset
from gbss.experiments import load_experiments
from gbss.scales import load_scale

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def tiny_task():
    """mini-coco with few and small scenes."""
    task = tasks.get("mini-coco")
    drawing = replace(
        task.drawing,
        train=Subset(60, task.drawing.train.frequencies),
        val=Subset(7, task.drawing.val.frequencies),
        side=64,
        large=(31, 40),
    )
    return replace(task, drawing=drawing, recipe=replace(task.recipe, shots=2, cap=None))


@pytest.fixture(scope="session")
def tiny_scale():
    """The smoke scale, with a shorter schedule and smaller batches."""
    smoke = load_scale("smoke")
    return replace(
        smoke,
        schedule=replace(
            smoke.schedule,
            iterations=6,
            warmup=6,
            decay=(5,),
            checkpoint_interval=2,
            validation_interval=4,
        ),
        batch=replace(smoke.batch, labeled=1, unlabeled=2),
    )


@pytest.fixture(scope="session")
def soft_teacher():
    return load_experiments().rows["soft-teacher"]


OWN_CLASSES = {4: "owl", 9: "wren", 11: "tit, great", 30: "no"}
"""Ids with gaps; the minority (wren and "no") is neither together nor first."""

OWN_BOXES = {3: (4, 4, 9), 5: (), 8: (4, 11), 21: (11, 30, 30), 40: (4, 9), 41: (4, 11)}
"""Image id of a labeled image → category ids of its boxes."""


def _own_file(path, boxes, *, size):
    annotations = [
        {"image_id": image, "category_id": kind, "bbox": [1 + at, 2, 5, 4.5], "area": 22.5}
        for image, kinds in boxes.items()
        for at, kind in enumerate(kinds)
    ]
    content = {
        "images": [
            {"id": id_, "file_name": f"{id_}.png", "width": size[0], "height": size[1]}
            for id_ in reversed(boxes)
        ],
        "annotations": [{"id": 7 * n + 1} | each for n, each in enumerate(annotations)],
        "categories": [
            {"id": id_, "name": name, "supercategory": "bird"}
            for id_, name in reversed(OWN_CLASSES.items())
        ],
    }
    path.write_text(json.dumps(content))


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A working directory with data of the user's own: labeled, unlabeled and validation images."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    sets = {"labeled": OWN_BOXES, "val": {2: (4, 9, 11), 6: (30, 4)}}
    for name, boxes in sets.items():
        (data / name).mkdir(parents=True)
        _own_file(data / f"{name}.json", boxes, size=(16, 12))
        for image in boxes:
            Image.new("RGB", (16, 12), (image, 9, 70)).save(data / name / f"{image}.png")
    for number, name in enumerate(("a.jpg", "deep/er/b.PNG", "deep/c.jpeg", "3.png")):
        path = data / "pool" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + number, 10), (number, 200, 0)).save(path)
    return tmp_path


@pytest.fixture
def own_init():
    """`gbss task init zoo` on these data."""
    return [
        *("task", "init", "zoo", "--device", "cpu", "--minority-below", "3"),
        *("--labeled", "data/labeled.json", "--labeled-images", "data/labeled"),
        *("--unlabeled", "data/pool", "--val", "data/val.json", "--val-images", "data/val"),
    ]


def _reaching(code):
    """A pickle that gets from ``getattr`` over a function of torch to ``exec``."""

    def text(value):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()

    def named(module, name):
        return f"c{module}\n{name}\n".encode()

    def holding(state):  # an object with these attributes
        return named("collections", "OrderedDict") + b")R" + state + b"b"

    def attribute(of, name):
        return named("builtins", "getattr") + of + text(name) + b"\x86R"

    rebuild = named("torch._utils", "_rebuild_parameter")
    run = attribute(holding(attribute(rebuild, "__builtins__")), "exec")
    fake = holding(b"}" + text("nn") + holding(b"}" + text("Parameter") + run + b"s") + b"s")
    changed = attribute(rebuild, "__globals__") + text("torch") + fake + b"s"
    return b"\x80\x02" + changed + rebuild + text(code) + b"}N\x87R."


@pytest.fixture
def crafted_checkpoint(tmp_path):
    """A file of torch that writes ``hacked`` beside itself if the code in it is run."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "crafted.pth"
    torch.save({"state_dict": {}}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    # What it changes on its way, it puts back.
    back = "import torch; torch._utils.torch = torch"
    code = f"{back}; open({str(tmp_path / 'hacked')!r}, 'w')"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, _reaching(code) if name.endswith("data.pkl") else content)
    return path
