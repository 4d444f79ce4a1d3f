"""The text of a task's file, as `gbss task init` writes it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from gbss.tasks.own import GROUPS
from gbss.tasks.own_training import Training, comment, training_text


@dataclass(frozen=True)
class ClassFacts:
    """A class: its group, and how often it is where; crowds do not count.

    Attributes:
        name: The class.
        group: Its group.
        images: Images in the file of the labeled images, or of those to draw from.
        boxes: Boxes in that file.
        labeled_boxes: Boxes that training sees.
        val_boxes: Boxes in the validation file.
    """

    name: str
    group: str
    images: int
    boxes: int
    labeled_boxes: int
    val_boxes: int


@dataclass(frozen=True)
class Plan:
    """What is written, and what it was made of.

    Attributes:
        name: Of the task.
        title: For captions.
        files: As under ``task.files`` in the file.
        classes: By ascending category id.
        grouping: How the groups came about.
        recipe: As under ``task.recipe``; None: nothing is drawn.
        protocol: Rules of the evaluation.
        training: How to train.
        labeled: Labeled images, those without a box included.
        few_shot: How many of them were drawn for the minority classes.
        val: Validation images.
        notes: What was left out, and what may surprise.
    """

    name: str
    title: str
    files: Mapping[str, str]
    classes: Sequence[ClassFacts]
    grouping: str
    recipe: Mapping[str, int | float] | None
    protocol: str
    training: Training
    labeled: int
    few_shot: int
    val: int
    notes: Sequence[str]

    @property
    def groups(self) -> dict[str, list[ClassFacts]]:
        """The classes of each group, in display order."""
        members = {
            group: [each for each in self.classes if each.group == group]
            for order in GROUPS
            for group in order
        }
        return {group: classes for group, classes in members.items() if classes}


def render(plan: Plan) -> str:
    """The commented text of a file."""
    files = "".join(f"    {key}: {_scalar(value)}\n" for key, value in plan.files.items())
    source = plan.files.get("train") or plan.files["labeled"]
    classes = "".join(
        f"    {_scalar(each.name)}: {each.group}  # {each.images:,} images, {each.boxes:,} boxes\n"
        for each in plan.classes
    )
    protocol = "" if plan.protocol == "coco" else f"  protocol: {plan.protocol}\n"
    head = (
        f"A task of your own, by `gbss task init {plan.name}`. Change what you like: all keys are "
        "checked when the file is read, and workflow/task.schema.yaml says what each of them means."
    )
    scale = (
        f"The scale {plan.name}: how to train on these data. Any other scale takes them, too: "
        f"--config scale=smoke task={plan.name}."
    )
    return f"""\
{comment(head)}
task:
  title: {_scalar(plan.title)}
  # Relative to the folder that commands are run in, or absolute.
  files:
{files}{_recipe(plan)}{protocol}\
  # Class: group, by ascending category id; images and boxes in {source}.
  # {plan.grouping}
  classes:
{classes}
{comment(scale)}
{training_text(plan.training)}"""


def _recipe(plan: Plan) -> str:
    if plan.recipe is None:
        return "  # All images of the labeled file are labeled, with all their boxes.\n"
    share, shots = plan.recipe["share"], plan.recipe["shots"]
    if "minority" in plan.groups:
        why = (
            f"Labeled: this share ({share:g}) of the images with a majority box, without their "
            f"minority boxes; and few-shot images with all their boxes, at least {shots} boxes of "
            "every minority class."
        )
    else:
        why = f"Labeled: this share ({share:g}) of the images with a box, with all their boxes."
    numbers = ", ".join(f"{key}: {value}" for key, value in plan.recipe.items())
    return textwrap.indent(f"{comment(why)}\nrecipe: {{{numbers}}}\n", "  ")


def _scalar(value: str) -> str:
    """A text in YAML, quoted where it needs to be."""
    return yaml.safe_dump(value, allow_unicode=True, width=10**6).removesuffix("...\n").strip()
