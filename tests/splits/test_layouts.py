import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbss.errors import GbssError
from gbss.splits import walk
from gbss.splits.annotations import read
from gbss.splits.coco_files import write_validation

BLOCKS = (40, 150, 900, 1 << 20)
"""Bytes: from parts of an entry to whole files."""

plain = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def columns(path):
    """The columns that `gbss.splits.annotations.read` is to give, as lists, from plain JSON."""
    content = json.loads(path.read_bytes())
    images, boxes, kinds = (
        sorted(content[part], key=lambda entry: entry["id"])
        for part in ("images", "annotations", "categories")
    )
    sizes = {image["id"]: (image["width"], image["height"]) for image in images}
    return {
        "image_ids": [image["id"] for image in images],
        "file_names": [name(image) for image in images],
        "widths": [image["width"] for image in images],
        "heights": [image["height"] for image in images],
        "box_ids": [box["id"] for box in boxes],
        "box_images": [list(sizes).index(box["image_id"]) for box in boxes],
        "box_classes": [[k["id"] for k in kinds].index(box["category_id"]) for box in boxes],
        "boxes": [list(map(float, box["bbox"])) for box in boxes],
        "areas": [float(box["area"]) for box in boxes],
        "crowd": [bool(box.get("iscrowd", 0)) for box in boxes],
        "ignored": [bool(box.get("ignore", 0)) for box in boxes],
        "usable": [usable(box, *sizes[box["image_id"]]) for box in boxes],
        "category_ids": [kind["id"] for kind in kinds],
        "names": [kind["name"] for kind in kinds],
    }


def name(image):
    if image.get("file_name") is None:
        return "/".join(image["coco_url"].split("/")[-2:])
    return image["file_name"]


def usable(box, image_width, image_height):
    """mmdet's rule: the box's part inside of the image, its size and area, and the mark."""
    x, y, width, height = box["bbox"]
    inner_width = max(0, min(x + width, image_width) - max(x, 0))
    inner_height = max(0, min(y + height, image_height) - max(y, 0))
    inside = inner_width > 0 and inner_height > 0
    return inside and box["area"] > 0 and min(width, height) >= 1 and not box.get("ignore", 0)


def listed(annotations):
    """The same columns of annotations that were read."""
    found = {}
    for key in ("image_ids", "file_names", "widths", "heights", "box_ids", "box_images"):
        found[key] = np.asarray(getattr(annotations, key)).tolist()
    for key in ("box_classes", "boxes", "areas", "crowd", "ignored", "usable"):
        found[key] = getattr(annotations, key).tolist()
    found["category_ids"] = annotations.category_ids.tolist()
    found["names"] = list(annotations.names)
    return found


@st.composite
def layouts(draw, content):
    """The text of a file in any legal layout."""
    shuffled = draw(st.randoms(use_true_random=False))

    def mixed(value):
        if isinstance(value, dict):
            keys = list(value)
            shuffled.shuffle(keys)
            return {key: mixed(value[key]) for key in keys}
        return value

    parts = mixed(content)
    for key, part in parts.items():
        if key in ("images", "annotations", "categories"):
            shuffled.shuffle(part)
            parts[key] = [mixed(entry) for entry in part]
    return json.dumps(
        parts,
        indent=draw(st.sampled_from([None, None, 0, 1, 4, "\t"])),
        separators=draw(st.sampled_from([None, (",", ":"), (", ", " : "), ("\r\n ,\t", ":")])),
        ensure_ascii=draw(st.booleans()),
    )


@plain
@given(data=st.data(), size=st.sampled_from(BLOCKS))
def test_every_legal_layout_is_read_alike(small, blocks_of, data, size):
    text = data.draw(layouts(small()))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        path.write_text(text, encoding="utf-8", newline="")
        with blocks_of(size):
            found = read(path)
        assert listed(found) == columns(path)
        assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()


numbers = st.floats(0, 1e300) | st.integers(0, 2**70) | st.floats(0, 500).map(lambda x: round(x, 2))


@plain
@given(
    boxes=st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), numbers, numbers), unique_by=lambda box: box[0]
    ),
    size=st.sampled_from(BLOCKS),
)
def test_numbers_keep_every_bit_through_reading_and_writing(blocks_of, boxes, size):
    usual = {"image_id": 3, "category_id": 1}
    content = {
        "annotations": [
            # To be ignored: other boxes of this kind would look like mistakes.
            usual | {"id": id_, "bbox": [x, 1, width, 9], "area": width, "ignore": 1}
            for id_, x, width in boxes
        ],
        "images": [{"id": 3, "file_name": "a.png", "width": 10**15, "height": 80}],
        "categories": [{"id": 1, "name": "ant"}],
    }
    with TemporaryDirectory() as folder, blocks_of(size):
        path, written = Path(folder) / "file.json", Path(folder) / "written.json"
        path.write_text(json.dumps(content))
        found = read(path)
        assert listed(found) == columns(path)
        write_validation(found, written)
        assert listed(read(written)) == listed(found)
        assert columns(written) == columns(path)


@plain
@given(data=st.data(), size=st.sampled_from(BLOCKS))
def test_no_damage_is_read_as_something_else(small, blocks_of, data, size):
    text = bytearray(json.dumps(small(), ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.sampled_from([0, 1, 1, 2, 40]))
        new = data.draw(st.sampled_from([b"", *DAMAGE]))
        text[at : at + length] = new
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        path.write_bytes(text)
        with blocks_of(size):
            found = outcome(path)
        if isinstance(found, GbssError):
            for fault in found.faults:
                assert fault.where.startswith(str(path))
                assert fault.found
                assert fault.expected
                assert fault.fix
        else:
            assert listed(found) == columns(path)


def outcome(path):
    try:
        return read(path)
    except GbssError as error:
        return error


DAMAGE = [*b'{}[],:"\\ 0-.e1', 0xFF, 0xC3, 0x00, 0x0A]
DAMAGE = [bytes([byte]) for byte in DAMAGE]
DAMAGE += [b"NaN", b"null", b"true", b"99999999999999999999", b"1e999", b"..", b"/", b"\\u0000"]


def test_shuffled_images_give_equal_columns_and_bytes(small, coco, write, tmp_path):
    first = read(write(coco))
    write_validation(first, tmp_path / "first.json")
    rng = np.random.default_rng(1)
    for part in coco.values():
        rng.shuffle(part)
    second = read(write(coco))
    write_validation(second, tmp_path / "second.json")
    assert first.digest != second.digest
    assert listed(first) == listed(second)
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()


def test_an_entry_longer_than_a_block(small, write, blocks_of):
    content = small()
    content["annotations"][2]["segmentation"] = [[0.25] * 5000]
    content["images"][1]["x"] = "long " * 900 + "😀"
    with blocks_of(100):
        assert listed(read(write(content)))["box_ids"][2] == 17


def test_files_of_lvis(small, write):
    content = small()
    for image in content["images"]:
        name = image.pop("file_name").split("/")[-1]
        image["coco_url"] = f"http://images.cocodataset.org/train2017/{name}"
        image["neg_category_ids"] = [5, 2] if image["id"] == 40 else []
        image["not_exhaustive_category_ids"] = {7: [9], 12: [2, 9, 5]}.get(image["id"], [])
    for kind, frequency in zip(content["categories"], "rfc", strict=True):
        kind["frequency"] = frequency
    found = read(write(content))
    assert found.file_names[0] == "train2017/b ü 😀.png"
    assert found.frequencies == ("f", "c", "r")
    assert found.image_ids.tolist()[:3] == [7, 12, 40]
    offsets, values = found.negatives
    assert (offsets.tolist(), values.tolist()) == ([0, 0, 0, 2, 2], [0, 1])
    offsets, values = found.not_exhaustive
    assert (offsets.tolist(), values.tolist()) == ([0, 1, 4, 4, 4], [2, 0, 1, 2])


def test_other_files_have_none_of_it(small, write):
    found = read(write(small()))
    assert (found.frequencies, found.negatives, found.not_exhaustive) == (None, None, None)


def test_what_counts_as_a_box(small, write):
    found = read(write(small()))
    counted = dict(zip(found.box_ids.tolist(), found.counted.tolist(), strict=True))
    # A crowd, narrower than a pixel, to be ignored, flat; and three that are nothing of this.
    assert counted == {900100581904: False, 3: False, 17: False, 8: False} | dict.fromkeys(
        (2**62, 21, 22), True
    )


@pytest.mark.parametrize("name", ["images/v1/patch8/objects365_v1_00420917.jpg", "./a b,c.jpg"])
def test_names_that_are_kept(small, write, name):
    content = small()
    content["images"][0]["file_name"] = name
    assert read(write(content)).file_names[2] == name


def test_progress_of_large_files_in_a_log(small, write, blocks_of, monkeypatch, capsys):
    path = write(small())
    read(path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(walk, "LARGE", 1)
    with blocks_of(300):
        read(path)
    lines = capsys.readouterr().err.splitlines()
    size = path.stat().st_size
    assert lines[-1] == f"reading {path}: {size:,} of {size:,} bytes"
    assert len(lines) > 3
