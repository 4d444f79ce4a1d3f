import numpy as np

from gbss.evaluation.groups import group_means
from gbss.evaluation.per_class import PerClass
from gbss.reporting.console import print_evaluation


def test_prints_classes_and_groups_as_fractions(capsys) -> None:
    per_class = PerClass(
        images=6,
        ids=(3, 7, 8),
        names=("kite", "school bus", "cat"),
        ground_truth=np.array([8, 20, 0]),
        ap=np.array([0.5, 0.125, np.nan]),
        ap50=np.array([1.0, 0.25, np.nan]),
        ap75=np.array([0.375, 0.0, np.nan]),
        ar=np.array([0.5, 0.5, np.nan]),
    )
    groups = group_means(per_class, {"majority": ("kite", "school bus"), "minority": ("cat",)})
    print_evaluation(per_class, groups)
    assert capsys.readouterr().out == (
        "class         boxes     AP   AP50   AP75     AR\n"
        "kite              8  0.500  1.000  0.375  0.500\n"
        "school bus       20  0.125  0.250  0.000  0.500\n"
        "cat               0    n/a    n/a    n/a    n/a\n"
        "group       classes     AP   AP50   AP75     AR\n"
        "all          2 of 3  0.312  0.625  0.188  0.500\n"
        "majority     2 of 2  0.312  0.625  0.188  0.500\n"
        "minority     0 of 1    n/a    n/a    n/a    n/a\n"
    )
