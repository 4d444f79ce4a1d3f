import json
from collections import Counter

from gbss import tasks
from gbss.tasks.coco_objects365 import ABSENT, CORRECTED
from gbss.tasks.inputs import read_train, read_val

TASK = tasks.get("coco-objects365")


def test_classes_and_groups():
    assert len(TASK.classes) == 365
    assert {group: len(names) for group, names in TASK.groups.items()} == {
        "majority": 78,
        "minority": 287,
    }
    assert TASK.classes[0] == "Person"
    assert TASK.classes.index("Bear") == 295
    assert TASK.classes.index("Stuffed Toy") == 70
    assert "Stuffed Toy" in TASK.groups["minority"]
    assert TASK.classes[364] == "Table Tennis"


def test_the_map():
    to = TASK.mapped.to
    assert tuple(to) == tasks.get("coco-split1").classes
    assert [name for name, other in to.items() if other is None] == ["sports ball"]
    assert {other for other in to.values() if other} == set(TASK.groups["majority"])
    shared = {other for other, count in Counter(to.values()).items() if count > 1}
    assert shared == {"Bear"}
    assert to["bear"] == to["teddy bear"] == "Bear"
    assert to["tv"] == "Moniter/TV"


def test_counts_add_up_to_what_the_released_code_states():
    sums = {
        group: sum(TASK.recipe.targets[name].images for name in names)
        for group, names in TASK.groups.items()
    }
    assert sums == {"majority": 343_509, "minority": 8_243}
    assert TASK.recipe.targets["Person"].images == 65_263
    assert TASK.recipe.labeled == 119_790


def write(root, file, images, boxes, names):
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "images": [
            {"id": id_, "file_name": name, "width": 64, "height": 48} for id_, name in images
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": [1, 2, 5, 6],
                "area": 30,
                "iscrowd": 0,
            }
            for number, (image, category) in enumerate(boxes, start=1)
        ],
        "categories": [{"id": id_, "name": name} for id_, name in names],
    }
    path.write_text(json.dumps(content))


def test_a_corrected_annotation_file_reads_like_the_original(tmp_path):
    back = {original: corrected for corrected, original in CORRECTED.items()}
    assert set(back) <= set(TASK.classes)
    names = [(id_, name) for id_, name in enumerate(TASK.classes, start=1)]
    versions = {
        "original": [(id_, name + " " * (id_ in (197, 309, 365))) for id_, name in names],
        "corrected": [(id_, back.get(name, name)) for id_, name in names],
    }
    gone = sorted(ABSENT)[0]
    images = [
        (71, "images/v1/patch16/objects365_v1_00000071.jpg"),
        (320, f"images/v1/{gone}"),
        (900, "images/v2/patch50/objects365_v2_00900000.jpg"),
    ]
    ids = {name: number for number, name in names}
    coco_ids = [*range(1, 80), 88]
    coco = list(zip(coco_ids, tasks.get("coco-split1").classes, strict=True))
    coco_of = {name: id_ for id_, name in coco}
    for version, named in versions.items():
        root = tmp_path / version
        boxes = [(71, ids["Bear"]), (320, 2), (900, ids["Stuffed Toy"])]
        write(root, TASK.files.train, images, boxes, named)
        write(root, TASK.files.val, images[:1], boxes[:1], named)
        boxes = [
            (139, coco_of["teddy bear"]),
            *((id_, coco_of["sports ball"]) for id_ in (139, 285)),
        ]
        files = [(139, "000000000139.jpg"), (285, "000000000285.jpg")]
        write(root, TASK.mapped.train, files, boxes, coco)
        said = []
        train = read_train(TASK, root, said.append)
        assert train.file_names == (
            "objects365/train/patch16/objects365_v1_00000071.jpg",
            "objects365/train/patch50/objects365_v2_00900000.jpg",
            "coco/train2017/000000000139.jpg",
        )
        assert train.image_ids.tolist() == [71, 900, 1139]
        classes = [train.names[number] for number in train.box_classes]
        assert classes == ["Bear", "Stuffed Toy", "Bear"]
        (line,) = said
        assert "2 of 'sports ball'; images without a box left out: 1" in line
        assert read_val(TASK, root).file_names == ("patch16/objects365_v1_00000071.jpg",)
