"""Embedded data: scenes and COCO-format annotations drawn from a seed, without a download."""

from gbss.data.crops import crops
from gbss.data.drawing import Drawing, Federation, ObjectClass, Subset
from gbss.data.files import draw

__all__ = ["Drawing", "Federation", "ObjectClass", "Subset", "crops", "draw"]
