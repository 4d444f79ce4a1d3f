"""Groups of classes: from names, or from the number of images that hold a class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gbss.errors import Faults, fail, nearest
from gbss.splits.annotations import Annotations
from gbss.splits.files import images_per_class
from gbss.splits.lists import lines_of
from gbss.tasks.own import GROUPS

ADVICE = "give one of --minority NAMES, --minority-below N and --bounds N,M"


@dataclass(frozen=True)
class Grouping:
    """How to group classes: exactly one of these.

    Attributes:
        minority: Names of the minority classes, as given: single ones, several with commas between
            them, or ``@FILE`` with one a line. All others are majority.
        below: Classes in fewer images than this are minority, all others majority.
        bounds: Classes in at most so many images are rare, in at most so many common, all others
            frequent.
    """

    minority: tuple[str, ...] = ()
    below: int | None = None
    bounds: tuple[int, int] | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, in display order."""
        return GROUPS[0] if self.bounds is None else GROUPS[1]

    @property
    def text(self) -> str:
        """What the groups mean, for people."""
        if self.below is not None:
            return f"minority: in fewer than {self.below:,} images."
        if self.bounds is not None:
            rare, common = self.bounds
            return (
                f"rare: in at most {rare:,} images; common: in at most {common:,}; else frequent."
            )
        return "minority: by name."


def group_classes(annotations: Annotations, grouping: Grouping) -> dict[str, tuple[str, ...]]:
    """Group → classes, by ascending category id.

    Args:
        annotations: The images that count: the labeled ones, or all that labeled ones are drawn of.
        grouping: How.

    Raises:
        GbssError: It is not said how, a class is unknown, or a group has no class.
    """
    chosen = [bool(grouping.minority), grouping.below is not None, grouping.bounds is not None]
    if sum(chosen) != 1:
        found = f"{sum(chosen)} ways to group the classes"
        raise fail("the groups", found=found, expected="one", fix=ADVICE)
    counts = images_per_class(annotations, annotations.counted).tolist()
    images = dict(zip(annotations.names, counts, strict=True))
    names = grouping.groups
    if grouping.bounds is not None:
        rare, common = grouping.bounds
        group_of = {
            name: names[(count > rare) + (count > common)] for name, count in images.items()
        }
    else:
        if grouping.below is not None:
            few = {name for name, count in images.items() if count < grouping.below}
        else:
            few = set(_named(grouping.minority, annotations))
        group_of = {name: names[name in few] for name in images}
    groups = {group: tuple(name for name in images if group_of[name] == group) for group in names}
    _check(groups, images, annotations, grouping)
    return groups


def _check(
    groups: dict[str, tuple[str, ...]],
    images: dict[str, int],
    annotations: Annotations,
    grouping: Grouping,
) -> None:
    """Every group has a class."""
    ordered = sorted(images, key=lambda name: images[name])
    ends = f"{ordered[0]!r} is in {images[ordered[0]]:,} images, " if ordered else ""
    ends += f"{ordered[-1]!r} in {images[ordered[-1]]:,}" if ordered else "there are no classes"
    with Faults() as faults:
        for group, names in groups.items():
            if not names:
                faults.add(
                    f"{annotations.path}: the groups",
                    found=f"no {group} class; {ends}",
                    expected="at least one class in each group",
                    fix="name fewer classes" if grouping.minority else "choose other bounds",
                )


def _lines(path: Path) -> list[str]:
    """The lines of a file of names that hold any."""
    try:
        return [line.strip() for line in lines_of(path) if line.strip()]
    except OSError as error:
        raise fail(
            f"--minority @{path}",
            found=error.strerror or str(error),
            expected="a file with the name of a class in each line",
            fix="check the path",
        ) from error


def _named(given: tuple[str, ...], annotations: Annotations) -> list[str]:
    """The classes that were named; a name may hold a comma or start with @ if a class does."""
    known = set(annotations.names)
    found: list[str] = []
    for text in given:
        if text in known:
            found.append(text)
        elif text.startswith("@"):
            found += _lines(Path(text[1:]))
        else:
            found += [part.strip() for part in text.split(",") if part.strip()]
    with Faults() as faults:
        for name in dict.fromkeys(found):
            if name not in known:
                faults.add(
                    f"{annotations.path}: minority class {name!r}",
                    found="no such class",
                    expected=nearest(name, known),
                    fix="correct the name; one with a comma needs a --minority of its own",
                )
    return found
