from collections.abc import Callable

import pytest

from gbss.data import Drawing, ObjectClass, Subset

KINDS = (
    ObjectClass("solid cross", 3, "cross", "solid"),
    ObjectClass("horizontal disc", 4, "disc", "horizontal"),
    ObjectClass("vertical triangle", 9, "triangle", "vertical"),
)


@pytest.fixture
def make_drawing() -> Callable[..., Drawing]:
    """A drawing of 64 x 64 scenes with three classes; keywords replace its parameters."""

    def make(train: int = 30, val: int = 7, **changes: object) -> Drawing:
        settings: dict[str, object] = {
            "classes": KINDS,
            "train": Subset(
                train, {"solid cross": 5, "horizontal disc": 1, "vertical triangle": 2}
            ),
            "val": Subset(val, {"solid cross": 1, "horizontal disc": 1, "vertical triangle": 1}),
            "seed": 11,
            "side": 64,
            "large": (31, 40),
            "empty_share": 0.2,
            "crowd_share": 0.3,
        }
        return Drawing(**(settings | changes))  # type: ignore[arg-type]

    return make
