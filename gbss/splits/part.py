"""One list of a COCO-format file while it is read: its columns and what is wrong with entries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown
from typing import Any, ClassVar, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from gbss.errors import Faults
from gbss.splits import entries
from gbss.splits.entries import Note

Numbers: TypeAlias = "array[int]"


class Part(ABC):
    """One list of the file, its sound entries in columns, in the order of the file.

    Args:
        path: The file, for the messages.

    Attributes:
        name: The list's key in the file.
        ids: (rows,).
        faults: What is wrong with single entries.
        other_ids: Ids of entries that are no rows because something is wrong with them. They are
            there all the same: who names them is not to blame.
    """

    name: ClassVar[str]
    _decoder: ClassVar[msgspec.json.Decoder[Any]]
    """Parses a list of entries; an error if one has not the form that nearly all have."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids: Numbers = array("q")
        self.faults = Faults()
        self.other_ids: set[int] = set()
        self._dropped: Numbers = array("q")  # places of the entries that are no rows

    def whole(self, text: bytes) -> bool:
        """Takes a list of entries, all or, if anything is unusual or wrong, none of them."""
        try:
            return self._add(self._decoder.decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
            return False

    def several(self, found: list[Any]) -> None:
        """Takes entries one by one, and notes all that is wrong with them."""
        rows = []
        for number, entry in enumerate(found, start=len(self.ids) + len(self._dropped)):
            note = _Note(self, number, entry)
            if entries.has_types(self.name, entry, note):
                rows.append(self._row(entry, note))
            else:
                self._dropped.append(number)
                if isinstance(entry, dict) and isinstance(id_ := entry.get("id"), int):
                    self.other_ids.add(id_)
        if rows and not self._add(rows):
            raise AssertionError("rows that were checked one by one")

    def place(self, row: int) -> str:
        """Where the entry of a row stands: ``train.json: images[8] (id 17)``."""
        dropped = np.array(self._dropped, dtype=np.int64)
        before = np.searchsorted(dropped - np.arange(len(dropped)), row, side="right")
        return self.place_of(row + int(before), {"id": self.ids[row]})

    def place_of(self, number: int, entry: Any) -> str:
        """The same of an entry, from its number in the list."""
        where = f"{self.path}: {self.name}[{number}]"
        if not isinstance(entry, dict):
            return where
        return where + (f" (id {shown(entry['id'])})" if "id" in entry else " (without id)")

    @abstractmethod
    def _add(self, rows: list[Any]) -> bool:
        """Appends rows, all or none; returns whether it did."""

    @abstractmethod
    def _row(self, entry: Mapping[str, Any], note: Note) -> Any:
        """Makes an entry a row; notes odd values and puts harmless ones in their places."""


@dataclass(frozen=True, slots=True)
class _Note:
    """Notes faults of one entry; where it stands is put into words only if there are any."""

    part: Part
    number: int
    entry: Any

    def __call__(self, *, found: str, expected: str, fix: str) -> None:
        where = self.part.place_of(self.number, self.entry)
        self.part.faults.add(where, found=found, expected=expected, fix=fix)


def column(values: Numbers | array[float]) -> NDArray[Any]:
    """A column as NumPy sees it, without a copy."""
    return np.frombuffer(values, dtype=np.dtype(values.typecode))
