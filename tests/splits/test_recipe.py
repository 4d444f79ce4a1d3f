import pytest
import yaml

from gbss.splits.recipe import GivenFile, Recipe, Target


def test_yaml_holds_what_determines_the_draw():
    recipe = Recipe(minority=("bee", "no"), seed=3, targets={"bee": Target(7, 12)})
    assert yaml.safe_load(recipe.to_yaml()) == {
        "share": 0.1,
        "shots": 10,
        "cap": None,
        "seed": 3,
        "minority": ["bee", "no"],
    }


@pytest.mark.parametrize("changes", [{"share": 0}, {"share": 1}, {"shots": 0}, {"cap": 9}])
def test_refuses_what_makes_no_split(changes):
    with pytest.raises(ValueError, match=r"share|shots"):
        Recipe(minority=("bee",), **changes)


def test_refuses_a_class_named_twice():
    with pytest.raises(ValueError, match="twice"):
        Recipe(minority=("bee", "bee"))


@pytest.fixture
def stated():
    targets = {"bee": Target(12, 31), "no": Target(1, 13), "elk": Target(230, 1001)}
    return Recipe(minority=("bee", "no"), seed=3, labeled=1019, targets=targets)


def test_yaml_of_stated_counts(stated):
    content = yaml.safe_load(stated.to_yaml())
    assert content["targets"]["elk"] == {"images": 230, "boxes": 1001}
    del content["targets"]
    assert content == {
        "source": "drawn",
        "labeled": 1019,
        "factor": 1.0,
        "seed": 3,
        "minority": ["bee", "no"],
    }


def test_scaling_rounds_and_leaves_every_minority_class_an_image(stated):
    scaled = stated.scaled(0.05)
    assert scaled.labeled == 51
    assert scaled.factor == 0.05
    # 0.6, 1.55; 0.05, 0.65; 11.5, 50.05
    assert scaled.targets == {"bee": Target(1, 2), "no": Target(1, 1), "elk": Target(12, 50)}
    assert stated.scaled(0.001).targets["elk"] == Target(0, 1)
    assert stated.scaled(1) == stated


def test_refuses_to_scale_what_is_not_there(stated):
    for recipe, factor in ((stated, 0), (stated, 1.1), (stated.scaled(0.5), 0.5)):
        with pytest.raises(ValueError, match="scaled"):
            recipe.scaled(factor)
    with pytest.raises(ValueError, match="scaled"):
        Recipe(minority=("bee",)).scaled(0.5)


def test_stated_counts_need_every_minority_class(stated):
    with pytest.raises(ValueError, match="every minority class"):
        Recipe(minority=("bee", "elk", "fox"), labeled=9, targets=stated.targets)


def test_yaml_of_a_given_split(stated):
    given = {"labeled": GivenFile("theirs.json", "ab12")}
    recipe = Recipe(minority=("bee",), labeled=9, targets=stated.targets, given=given)
    assert not recipe.stated
    assert yaml.safe_load(recipe.to_yaml()) == {
        "source": "given",
        "given": {"labeled": {"name": "theirs.json", "sha256": "ab12"}},
        "minority": ["bee"],
    }


@pytest.mark.parametrize(
    ("reached", "text"),
    [((9, 40), ("-3", "-25.00", "+9")), ((12, 31), ("+0", "+0.00", "+0"))],
)
def test_deviation(stated, reached, text):
    assert stated.targets["bee"].deviation(*reached) == text
    assert Target(0, 0).deviation(2, 3) == ("+2", "", "+3")
