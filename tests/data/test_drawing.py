from dataclasses import replace

import pytest

from gbss.data import Subset


def test_digest_changes_with_the_parameters(make_drawing):
    drawing = make_drawing()
    first, *rest = drawing.classes
    others = [
        replace(drawing, seed=12),
        replace(drawing, side=65),
        replace(drawing, counts=(1.0, 2.0)),
        replace(drawing, train=Subset(31, drawing.train.frequencies)),
        replace(drawing, classes=(replace(first, category_id=2), *rest)),
    ]
    assert drawing.digest() == make_drawing().digest()
    assert len({each.digest() for each in [drawing, *others]}) == 6


def test_refuses_categories_out_of_order(make_drawing):
    drawing = make_drawing()
    with pytest.raises(ValueError, match="ascending category ids"):
        replace(drawing, classes=drawing.classes[::-1])


def test_refuses_frequencies_of_other_classes(make_drawing):
    with pytest.raises(ValueError, match="exactly one entry per class"):
        replace(make_drawing(), val=Subset(3, {"solid cross": 1.0}))


def test_classes_can_be_left_out(make_drawing):
    whole = make_drawing()
    left = whole.without({whole.classes[1].name})
    assert [kind.name for kind in left.classes] == [
        kind.name for kind in whole.classes if kind != whole.classes[1]
    ]
    assert left.train.scenes == whole.train.scenes
    assert (
        set(left.train.frequencies)
        == set(left.val.frequencies)
        == {kind.name for kind in left.classes}
    )
    assert left.digest() != whole.digest()
