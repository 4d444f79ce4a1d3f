import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gbss.data import Subset, draw


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pixels(folder):
    return {path.name: np.asarray(Image.open(path)) for path in (folder / "train").iterdir()}


def test_the_same_drawing_gives_the_same_bytes(make_drawing, tmp_path):
    draw(make_drawing(), tmp_path / "a", progress=False)
    draw(make_drawing(), tmp_path / "b", progress=False)
    first = content(tmp_path / "a")
    assert first == content(tmp_path / "b")
    assert len(first) == 2 + 30 + 7


def test_another_seed_gives_another_drawing(make_drawing, tmp_path):
    draw(make_drawing(), tmp_path / "a", progress=False)
    draw(make_drawing(seed=12), tmp_path / "b", progress=False)
    first, second = (json.loads((tmp_path / name / "train.json").read_bytes()) for name in "ab")
    assert first["annotations"] != second["annotations"]


def test_a_scene_does_not_depend_on_how_many_are_drawn(make_drawing, tmp_path):
    draw(make_drawing(train=9), tmp_path / "few", progress=False)
    draw(make_drawing(train=20), tmp_path / "many", progress=False)
    few, many = (json.loads((tmp_path / n / "train.json").read_bytes()) for n in ("few", "many"))
    assert few["images"] == many["images"][:9]
    assert few["annotations"] == many["annotations"][: len(few["annotations"])]
    images = pixels(tmp_path / "many")
    assert all(np.array_equal(image, images[n]) for n, image in pixels(tmp_path / "few").items())


def test_the_first_pixels_and_boxes_stay_what_they_are(make_drawing, tmp_path):
    # Where this fails, published results of embedded tasks belong to another drawing: if that is
    # meant, raise GENERATOR in gbss/data/drawing.py.
    draw(make_drawing(), tmp_path, progress=False)
    train = json.loads((tmp_path / "train.json").read_bytes())
    sums = [int(image.astype(np.int64).sum()) for _, image in sorted(pixels(tmp_path).items())]
    assert [each["id"] for each in train["images"][:4]] == [3, 5, 8, 11]
    box = train["annotations"][0]
    assert (box["image_id"], box["category_id"], box["bbox"]) == (3, 3, [11, 13, 40, 31])
    assert (box["area"], box["iscrowd"]) == (808, 0)
    assert sums[:3] == [1652592, 1796294, 1515614]


def test_coco_format_with_gaps(make_drawing, tmp_path):
    drawing = make_drawing()
    draw(drawing, tmp_path, progress=False)
    for name, scenes in (("train", 30), ("val", 7)):
        coco = json.loads((tmp_path / f"{name}.json").read_bytes())
        ids = np.array([image["id"] for image in coco["images"]])
        boxes = np.array([box["id"] for box in coco["annotations"]])
        assert len(ids) == scenes
        for column in (ids, boxes):
            assert (np.diff(column) >= 1).all()
            assert (np.diff(column) > 1).any()
        assert [each["id"] for each in coco["categories"]] == [3, 4, 9]
        assert {box["image_id"] for box in coco["annotations"]} < set(ids.tolist())
        assert {box["iscrowd"] for box in coco["annotations"]} == {0, 1}
        for image in coco["images"]:
            with Image.open(tmp_path / name / image["file_name"]) as picture:
                assert (picture.size, picture.mode) == ((64, 64), "RGB")
                assert (image["width"], image["height"]) == picture.size


def test_a_finished_drawing_is_left_alone(make_drawing, tmp_path):
    draw(make_drawing(), tmp_path, progress=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    draw(make_drawing(), tmp_path, progress=False)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.parametrize("damage", ["image gone", "annotations gone", "annotations cut off"])
def test_an_unfinished_drawing_is_completed(make_drawing, tmp_path, damage):
    draw(make_drawing(), tmp_path, progress=False)
    whole = content(tmp_path)
    annotations = tmp_path / "train.json"
    if damage == "image gone":
        next((tmp_path / "train").iterdir()).unlink()
    elif damage == "annotations gone":
        annotations.unlink()
    else:
        annotations.write_bytes(annotations.read_bytes()[:200])
    draw(make_drawing(), tmp_path, progress=False)
    assert content(tmp_path) == whole


def test_another_drawing_replaces_the_annotations(make_drawing, tmp_path):
    drawing = make_drawing()
    draw(drawing, tmp_path, progress=False)
    draw(replace(drawing, val=Subset(4, drawing.val.frequencies)), tmp_path, progress=False)
    assert len(json.loads((tmp_path / "val.json").read_bytes())["images"]) == 4


def test_an_interrupted_drawing_has_no_annotation_file(make_drawing, tmp_path, monkeypatch):
    draw(make_drawing(), tmp_path, progress=False)

    def full(*_args, **_kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="no space left"):
        draw(make_drawing(seed=12), tmp_path, progress=False)
    assert not (tmp_path / "train.json").exists()
    assert not [path for path in (tmp_path / "train").iterdir() if path.name.startswith(".")]


def test_progress_in_a_log_is_plain_lines(make_drawing, tmp_path, capsys):
    draw(make_drawing(), tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"drawing {tmp_path / 'train'}: 3/30"
    assert lines[-1] == f"drawing {tmp_path / 'val'}: 7/7"
    assert len(lines) == 10 + 7


def test_a_source_is_drawn_beside_and_may_have_no_val(make_drawing, tmp_path):
    source = replace(make_drawing(train=4, seed=5), val=None)
    draw(make_drawing(train=3, val=2, source=source), tmp_path, progress=False)
    draw(source, tmp_path / "alone", progress=False)
    assert sorted(path.name for path in (tmp_path / "source").iterdir()) == ["train", "train.json"]
    assert content(tmp_path / "source") == content(tmp_path / "alone")
    assert len(list((tmp_path / "train").iterdir())) == 3


def test_styles_look_different_and_stand_at_other_places(make_drawing, tmp_path):
    draw(make_drawing(train=5), tmp_path / "plain", progress=False)
    draw(make_drawing(train=5, style="hatched"), tmp_path / "hatched", progress=False)
    dark = [
        np.mean([(image < 45).all(axis=2).mean() for image in pixels(tmp_path / name).values()])
        for name in ("plain", "hatched")
    ]
    assert dark[1] > dark[0] + 0.01
