"""COCO split1 and split2: one data set, two choices of the minority classes.

Source of classes and counts: released code, ssod/datasets/cate.py. The authors' image lists are not
public; a draw aims at the counts of their labeled images.
"""

from __future__ import annotations

from gbss.data.sources import COCO
from gbss.splits.recipe import Recipe, Target
from gbss.tasks.base import Files, Task

# Category id and name; then group, labeled images and labeled boxes in split1; the same in split2.
# The minority of split1 are the 20 classes of PASCAL VOC.
_COCO = (
    (1, "person", "minority", 170, 653, "majority", 6562, 26786),
    (2, "bicycle", "minority", 19, 40, "majority", 326, 736),
    (3, "car", "minority", 32, 135, "majority", 1212, 4143),
    (4, "motorcycle", "minority", 16, 46, "majority", 339, 815),
    (5, "airplane", "minority", 7, 14, "minority", 7, 15),
    (6, "bus", "minority", 9, 13, "minority", 8, 12),
    (7, "train", "minority", 8, 10, "majority", 385, 469),
    (8, "truck", "majority", 610, 1021, "majority", 609, 1004),
    (9, "boat", "minority", 7, 20, "minority", 1, 13),
    (10, "traffic light", "majority", 434, 1406, "minority", 6, 22),
    (11, "fire hydrant", "majority", 181, 202, "minority", 10, 10),
    (13, "stop sign", "majority", 181, 201, "majority", 170, 192),
    (14, "parking meter", "majority", 86, 141, "minority", 8, 10),
    (15, "bench", "majority", 578, 1014, "majority", 558, 985),
    (16, "bird", "minority", 9, 30, "minority", 2, 16),
    (17, "cat", "minority", 23, 29, "minority", 11, 11),
    (18, "dog", "minority", 15, 18, "majority", 448, 571),
    (19, "horse", "minority", 6, 13, "minority", 7, 12),
    (20, "sheep", "minority", 2, 26, "minority", 5, 13),
    (21, "cow", "minority", 7, 32, "minority", 3, 11),
    (22, "elephant", "majority", 228, 599, "minority", 7, 11),
    (23, "bear", "majority", 105, 151, "majority", 94, 128),
    (24, "zebra", "majority", 190, 500, "minority", 5, 11),
    (25, "giraffe", "majority", 254, 511, "majority", 255, 547),
    (27, "backpack", "majority", 611, 948, "majority", 569, 891),
    (28, "umbrella", "majority", 379, 1099, "minority", 8, 11),
    (31, "handbag", "majority", 677, 1198, "minority", 15, 38),
    (32, "tie", "majority", 387, 687, "minority", 9, 30),
    (33, "suitcase", "majority", 245, 570, "minority", 5, 12),
    (34, "frisbee", "majority", 241, 306, "minority", 8, 10),
    (35, "skis", "majority", 312, 710, "minority", 6, 15),
    (36, "snowboard", "majority", 169, 277, "minority", 5, 10),
    (37, "sports ball", "majority", 410, 576, "majority", 426, 636),
    (38, "kite", "majority", 239, 1041, "majority", 231, 932),
    (39, "baseball bat", "majority", 245, 310, "majority", 281, 352),
    (40, "baseball glove", "majority", 250, 370, "minority", 7, 10),
    (41, "skateboard", "majority", 363, 603, "majority", 355, 561),
    (42, "surfboard", "majority", 364, 606, "majority", 357, 628),
    (43, "tennis racket", "majority", 342, 479, "majority", 325, 461),
    (44, "bottle", "minority", 41, 137, "majority", 879, 2446),
    (46, "wine glass", "majority", 285, 793, "minority", 4, 13),
    (47, "cup", "majority", 936, 2084, "majority", 934, 2097),
    (48, "fork", "majority", 369, 585, "majority", 350, 569),
    (49, "knife", "majority", 458, 850, "majority", 464, 891),
    (50, "spoon", "majority", 365, 698, "majority", 361, 617),
    (51, "bowl", "majority", 733, 1491, "majority", 753, 1458),
    (52, "banana", "majority", 226, 966, "minority", 6, 13),
    (53, "apple", "majority", 171, 549, "minority", 2, 14),
    (54, "sandwich", "majority", 237, 430, "minority", 3, 13),
    (55, "orange", "majority", 183, 643, "majority", 180, 659),
    (56, "broccoli", "majority", 218, 897, "minority", 5, 22),
    (57, "carrot", "majority", 178, 858, "majority", 176, 806),
    (58, "hot dog", "majority", 128, 333, "minority", 7, 10),
    (59, "pizza", "majority", 330, 610, "minority", 8, 10),
    (60, "donut", "majority", 156, 699, "majority", 146, 654),
    (61, "cake", "majority", 294, 655, "majority", 270, 603),
    (62, "chair", "minority", 31, 84, "majority", 1283, 3920),
    (63, "couch", "minority", 9, 11, "majority", 463, 603),
    (64, "potted plant", "minority", 20, 31, "majority", 455, 911),
    (65, "bed", "majority", 382, 450, "minority", 11, 11),
    (67, "dining table", "minority", 30, 36, "minority", 23, 24),
    (70, "toilet", "majority", 329, 421, "majority", 316, 380),
    (72, "tv", "minority", 14, 25, "minority", 12, 19),
    (73, "laptop", "majority", 326, 446, "majority", 348, 530),
    (74, "mouse", "majority", 173, 216, "minority", 11, 12),
    (75, "remote", "majority", 338, 651, "minority", 9, 19),
    (76, "keyboard", "majority", 208, 293, "minority", 9, 10),
    (77, "cell phone", "majority", 504, 647, "majority", 473, 625),
    (78, "microwave", "majority", 161, 169, "majority", 172, 182),
    (79, "oven", "majority", 304, 358, "minority", 9, 10),
    (80, "toaster", "majority", 24, 24, "majority", 25, 25),
    (81, "sink", "majority", 487, 569, "majority", 471, 557),
    (82, "refrigerator", "majority", 252, 278, "minority", 10, 10),
    (84, "book", "majority", 579, 2793, "minority", 10, 50),
    (85, "clock", "majority", 508, 748, "majority", 481, 639),
    (86, "vase", "majority", 348, 674, "minority", 7, 12),
    (87, "scissors", "majority", 98, 159, "majority", 107, 176),
    (88, "teddy bear", "majority", 220, 463, "majority", 246, 553),
    (89, "hair drier", "majority", 24, 27, "minority", 10, 10),
    (90, "toothbrush", "majority", 114, 208, "minority", 7, 15),
)
_CLASSES = tuple(row[1] for row in _COCO)


def _task(
    number: int, labeled: int, groups: dict[str, tuple[str, ...]], targets: dict[str, Target]
) -> Task:
    majority, minority = len(groups["majority"]), len(groups["minority"])
    return Task(
        name=f"coco-split{number}",
        title=f"COCO split{number} ({majority} majority, {minority} minority classes)",
        groups=groups,
        classes=_CLASSES,
        recipe=Recipe(minority=groups["minority"], targets=targets, labeled=labeled),
        protocol="coco",
        drawing=None,
        files=Files(
            train="annotations/instances_train2017.json",
            train_images="train2017",
            val="annotations/instances_val2017.json",
            val_images="val2017",
        ),
        sources=COCO,
    )


_GROUPS = ("majority", "minority")

TASKS = (
    _task(
        1,
        10_170,
        {group: tuple(row[1] for row in _COCO if row[2] == group) for group in _GROUPS},
        {row[1]: Target(row[3], row[4]) for row in _COCO},
    ),
    _task(
        2,
        10_299,
        {group: tuple(row[1] for row in _COCO if row[5] == group) for group in _GROUPS},
        {row[1]: Target(row[6], row[7]) for row in _COCO},
    ),
)
