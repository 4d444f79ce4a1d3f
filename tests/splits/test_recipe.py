import pytest
import yaml

from gbss.splits.recipe import Recipe, Target


def test_yaml_holds_what_determines_the_draw():
    recipe = Recipe(minority=("bee", "no"), seed=3, targets={"bee": Target(7, 12)})
    assert yaml.safe_load(recipe.to_yaml()) == {
        "share": 0.1,
        "shots": 10,
        "cap": None,
        "seed": 3,
        "minority": ["bee", "no"],
    }


@pytest.mark.parametrize("changes", [{"share": 0}, {"share": 1.1}, {"shots": 0}, {"cap": 9}])
def test_refuses_what_makes_no_split(changes):
    with pytest.raises(ValueError, match=r"share|shots"):
        Recipe(minority=("bee",), **changes)


def test_refuses_a_class_named_twice():
    with pytest.raises(ValueError, match="twice"):
        Recipe(minority=("bee", "bee"))
