import pytest

from gbss import tasks

# Category ids of the minority classes in the released code.
MINORITY = {
    "coco-split1": "1 2 3 4 5 6 7 9 16 17 18 19 20 21 44 62 63 64 67 72",
    "coco-split2": "5 6 9 10 11 14 16 17 19 20 21 22 24 28 31 32 33 34 35 36 40 46 52 53 54 56 58"
    " 59 65 67 72 74 75 76 79 82 84 86 89 90",
}
# COCO's 80 category ids: 1 to 90 without these.
GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}


@pytest.mark.parametrize(("name", "size"), [("coco-split1", 20), ("coco-split2", 40)])
def test_minority_ids(name, size):
    task = tasks.get(name)
    ids = dict(zip(task.classes, sorted(set(range(1, 91)) - GAPS), strict=True))
    minority = [ids[each] for each in task.groups["minority"]]
    assert minority == [int(id_) for id_ in MINORITY[name].split()]
    assert len(task.groups["minority"]) == size
    assert len(task.groups["majority"]) == 80 - size


def test_classes_in_the_order_of_their_ids():
    classes = tasks.get("coco-split1").classes
    assert (classes[0], classes[11], classes[62], classes[79]) == (
        "person",
        "stop sign",
        "tv",
        "toothbrush",
    )


@pytest.mark.parametrize(
    ("name", "images", "boxes"), [("coco-split1", 475, 1403), ("coco-split2", 306, 600)]
)
def test_targets_add_up_to_what_the_released_code_states(name, images, boxes):
    task = tasks.get(name)
    targets = [task.recipe.targets[each] for each in task.groups["minority"]]
    assert sum(target.images for target in targets) == images
    assert sum(target.boxes for target in targets) == boxes
    assert min(target.boxes for target in targets) == 10


def test_single_targets():
    assert vars(tasks.get("coco-split1").recipe.targets["person"]) == {"images": 170, "boxes": 653}
    assert vars(tasks.get("coco-split2").recipe.targets["person"]) == {
        "images": 6562,
        "boxes": 26786,
    }


def test_files_come_from_the_data_root():
    task = tasks.get("coco-split2")
    assert task.drawing is None
    assert task.files.train == "annotations/instances_train2017.json"
    assert task.files.val_images == "val2017"


def test_labeled_images_of_the_released_code():
    labeled = {name: tasks.get(name).recipe.labeled for name in MINORITY}
    assert labeled == {"coco-split1": 10_170, "coco-split2": 10_299}
    assert set(tasks.get("coco-split1").recipe.targets) == set(tasks.get("coco-split1").classes)
