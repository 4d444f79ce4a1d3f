import json

import numpy as np
import pytest
from PIL import Image

from gbss.errors import GbssError
from gbss.splits.annotations import check_images, read

NAMES = ("ant", "bee", "cat", "dog", "eel")


def faults(path, classes=None):
    with pytest.raises(GbssError) as caught:
        read(path, classes)
    return caught.value.faults


def test_columns_are_in_order_of_ids(coco, write):
    table = read(write(coco), NAMES)
    assert table.image_ids.tolist() == list(range(5, 5 + 7 * 90, 7))
    assert table.file_names[1] == "set/12.png"
    assert table.widths[:3].tolist() == [40, 41, 42]
    assert table.names == NAMES
    assert table.category_ids.tolist() == [2, 3, 7, 8, 13]
    assert len(table.box_ids) == len(coco["annotations"])
    for entry in coco["annotations"]:
        row = np.searchsorted(table.box_ids, entry["id"])
        assert table.box_ids[row] == entry["id"]
        assert table.image_ids[table.box_images[row]] == entry["image_id"]
        assert table.category_ids[table.box_classes[row]] == entry["category_id"]
        assert table.boxes[row].tolist() == entry["bbox"]
        assert table.areas[row] == entry["area"]
        assert table.crowd[row] == bool(entry["iscrowd"])


def test_a_file_without_boxes_is_fine(coco, write):
    table = read(write(coco | {"annotations": []}))
    assert table.boxes.shape == (0, 4)


def test_iscrowd_may_be_missing(coco, write):
    for entry in coco["annotations"]:
        del entry["iscrowd"]
    assert not read(write(coco)).crowd.any()


def test_missing_file(tmp_path):
    (fault,) = faults(tmp_path / "none.json")
    assert (fault.where, fault.found) == (str(tmp_path / "none.json"), "no such file")


def test_truncated_file(coco, write):
    path = write(coco)
    path.write_text(path.read_text()[:-300])
    (fault,) = faults(path)
    assert "truncated" in fault.found
    assert fault.where.startswith(f"{path}: line 1, column")


def test_not_coco(write):
    (fault,) = faults(write([{"image_id": 3, "score": 0.5}]))
    assert fault.found == "a list"
    assert fault.expected == "an object with images, annotations, categories"
    found = [fault.found for fault in faults(write({"images": {}, "categories": []}), NAMES)]
    assert found == ["'images' is a dict", "no 'annotations'"]


def test_all_faults_of_a_file_at_once(coco, write):
    boxes = [dict(coco["annotations"][number]) for number in range(9)]
    boxes[0]["bbox"] = [1, 2, float("nan"), 4]
    boxes[1]["bbox"] = [1, float("inf"), 3, 4]
    boxes[2]["bbox"] = [1, 2, -3, 4]
    boxes[3]["area"] = -0.5
    boxes[4]["bbox"] = [1, 2, 3]
    boxes[5]["category_id"] = 4
    boxes[6]["image_id"] = 6
    boxes[7]["id"] = boxes[8]["id"]
    boxes[8]["iscrowd"] = 2
    del coco["images"][0]["width"]
    coco["images"][1]["file_name"] = 17
    lost = coco["images"][2]["id"]
    coco["images"][2]["id"] = True
    coco["images"].append(dict(coco["images"][4]))
    coco["images"].append("picture")
    coco["categories"].append({"id": 99, "name": "cat"})
    path = write(coco | {"annotations": boxes})
    boxes_fault = "bbox: [x, y, width, height] and area, finite, no size below 0"
    listed = [
        (fault.where.removeprefix(f"{path}: "), fault.found, fault.expected)
        for fault in faults(path)
        # The image whose id cannot be read.
        if fault.found != f"image_id: {lost}"
    ]
    ids = [box["id"] for box in boxes]
    images = [image["id"] for image in coco["images"][:-1]]
    assert listed == [
        (f"images[0] (id {images[0]})", "no 'width'", "width: int"),
        (f"images[1] (id {images[1]})", "file_name: 17", "file_name: str"),
        ("images[2] (id True)", "id: True", "id: int"),
        ("images[91]", "'picture'", "id, file_name, width, height"),
        (f"annotations[0] (id {ids[0]})", "bbox: [1, 2, nan, 4], area: 20.5", boxes_fault),
        (f"annotations[1] (id {ids[1]})", "bbox: [1, inf, 3, 4], area: 20.5", boxes_fault),
        (f"annotations[2] (id {ids[2]})", "bbox: [1, 2, -3, 4], area: 20.5", boxes_fault),
        (f"annotations[3] (id {ids[3]})", f"bbox: {boxes[3]['bbox']}, area: -0.5", boxes_fault),
        (f"annotations[4] (id {ids[4]})", "bbox: [1, 2, 3], area: 20.5", boxes_fault),
        (f"annotations[8] (id {ids[8]})", "iscrowd: 2", "iscrowd: 0 or 1"),
        (
            f"images[90] (id {images[4]})",
            f"id {images[4]}, as in images[4] (id {images[4]})",
            "each id once",
        ),
        (
            f"annotations[8] (id {ids[8]})",
            f"id {ids[8]}, as in annotations[7] (id {ids[8]})",
            "each id once",
        ),
        (
            "categories[5] (id 99)",
            "name 'cat', as in categories[2] (id 7)",
            "each name once",
        ),
        (
            f"images[90] (id {images[4]})",
            f"file_name 'set/{images[4]}.png', as in images[4] (id {images[4]})",
            "each file_name once",
        ),
        (f"annotations (id {ids[6]})", "image_id: 6", "an id listed in 'images'"),
        (f"annotations (id {ids[5]})", "category_id: 4", "an id listed in 'categories'"),
    ]


def test_every_fault_says_what_to_do(coco, write):
    coco["annotations"][3]["bbox"] = [1, 2, 3, -1]
    (fault,) = faults(write(coco))
    assert fault.fix == "correct or remove the box"


def test_annotations_are_not_blamed_for_the_faults_of_others(coco, write):
    (fault,) = faults(write({key: coco[key] for key in ("annotations", "categories")}))
    assert fault.found == "no 'images'"
    named = coco["annotations"][0]["image_id"]
    entry = next(entry for entry in coco["images"] if entry["id"] == named)
    del entry["width"]
    next(kind for kind in coco["categories"] if kind["name"] == "cat")["name"] = 5
    found = [fault.found for fault in faults(write(coco), NAMES)]
    assert found == ["no 'width'", "name: 5"]


def test_an_unknown_id_is_reported_once(coco, write):
    named = coco["annotations"][0]["image_id"]
    users = [box["id"] for box in coco["annotations"] if box["image_id"] == named]
    coco["images"] = [entry for entry in coco["images"] if entry["id"] != named]
    (fault,) = faults(write(coco))
    assert fault.found == f"image_id: {named}"
    assert fault.where.endswith(f"annotations (id {users[0]} and {len(users) - 1} more)")
    assert fault.fix == "add the entry to 'images' or remove its annotations"


@pytest.mark.parametrize(
    ("part", "key", "value", "expected"),
    [
        ("images", "width", 2**63, "width: int of at most 64 bits"),
        ("images", "width", 0, "width: at least 1"),
        ("images", "height", -4, "height: at least 1"),
        ("annotations", "id", 10**30, "id: int of at most 64 bits"),
        ("annotations", "bbox", [1, 2, True, 4], "bbox: "),
        ("annotations", "bbox", [1, 10**400, 3, 4], "bbox: "),
        ("annotations", "area", 10**400, "bbox: "),
    ],
)
def test_numbers_that_nothing_can_hold(coco, write, part, key, value, expected):
    coco[part][3][key] = value
    (fault,) = faults(write(coco))
    assert fault.expected.startswith(expected)
    assert len(fault.found) < 100


def test_classes_of_the_task(coco, write):
    path = write(coco)
    missing, extra = faults(path, ("ant", "beee", "cat", "dog", "eel"))
    assert missing.found == "no class 'beee'"
    assert missing.expected.startswith("did you mean 'bee'?")
    assert extra.found == "class 'bee'"
    (order,) = faults(path, ("bee", "ant", "cat", "dog", "eel"))
    assert order.found == "by ascending id: ant, bee, cat, dog, eel"


def test_a_file_without_categories_fails_for_a_task(coco, write):
    content = coco | {"categories": [], "annotations": []}
    assert len(faults(write(content), NAMES)) == 5


@pytest.fixture
def folder(coco, tmp_path):
    """The images of the annotation file, as files."""
    (tmp_path / "images" / "set").mkdir(parents=True)
    for entry in coco["images"]:
        size = (entry["width"], entry["height"])
        pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / entry["file_name"])
    return tmp_path / "images"


def test_images_that_are_there(annotations, folder):
    check_images(annotations, folder)


def test_all_bad_images_at_once(annotations, folder):
    (folder / "set/12.png").unlink()
    (folder / "set/19.png").write_text("no image")
    whole = (folder / "set/26.png").read_bytes()
    (folder / "set/26.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (30, 31)).save(folder / "set/33.png")
    with pytest.raises(GbssError) as caught:
        check_images(annotations, folder)
    where = [fault.where for fault in caught.value.faults]
    assert where == [f"{folder}/set/{id_}.png: image {id_}" for id_ in (12, 19, 26, 33)]
    found = [fault.found for fault in caught.value.faults]
    assert found[0] == "no such file"
    assert found[1].startswith("unreadable: cannot identify image file")
    assert found[2].startswith("unreadable: ")
    assert found[3] == "30 x 31 pixels"
    assert caught.value.faults[3].expected == "an image of 44 x 50 pixels"


def test_a_truncated_jpeg_is_found(annotations, folder, coco, write):
    path = folder / "set/5.png"
    with Image.open(path) as image:
        image.save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(GbssError, match="truncated"):
        check_images(annotations, folder)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_images_too_large_to_open(annotations, folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3150)  # twice as much is an error
    with pytest.raises(GbssError) as caught:
        check_images(annotations, folder)
    assert len(caught.value.faults) == 3
    assert "exceeds limit" in caught.value.faults[0].found


def test_json_order_does_not_matter(coco, write):
    first = read(write(coco))
    second = read(write(json.loads(json.dumps({k: v[::-1] for k, v in coco.items()}))))
    assert np.array_equal(first.boxes, second.boxes)
    assert first.file_names == second.file_names
