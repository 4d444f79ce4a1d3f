"""A table as text: Markdown, CSV and LaTeX. No number is computed here."""

from __future__ import annotations

import csv as csv_format
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gbss.reporting.style import group_label

if TYPE_CHECKING:
    from gbss.reporting.tables import Table, TableRow

MISSING = "missing"
"""Shown for a row without runs."""

NO_GROUND_TRUTH = "n/a"
"""Shown for a group without ground truth."""

NOTHING = "\N{EN DASH}"
"""Shown where the paper has no number."""

WIDE = 8
"""With more columns than these a table is set smaller, to fit on a page."""

_TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{character: f"${character}$" for character in "<>|"},
        "\n": " ",
        "\N{EN DASH}": "--",
        "\N{MINUS SIGN}": "$-$",
        "±": r"$\pm$",
        "·": r"$\cdot$",
        "\N{MULTIPLICATION SIGN}": r"$\times$",
        "→": r"$\to$",
        "≤": r"$\leq$",
        "≥": r"$\geq$",
        "β": r"$\beta$",
        "\N{GREEK SMALL LETTER GAMMA}": r"$\gamma$",
        "θ": r"$\theta$",
        "λ": r"$\lambda$",
    }
)
# '<' would let a label open a comment and break the blocks of a README.
_MARKDOWN = str.maketrans({"|": r"\|", "<": "&lt;", ">": "&gt;", "\n": " "})


def markdown(table: Table) -> str:
    """Caption, pipe table and notes; see `Table.markdown`."""
    head, body = texts(table)
    lines = [
        f"**{table.title.translate(_MARKDOWN)}.** {table.context.translate(_MARKDOWN)}",
        "",
        _markdown_row(head),
        _markdown_row([":---"] + ["---:"] * (len(head) - 1)),
        *map(_markdown_row, body),
        "",
        *(f"- {note.translate(_MARKDOWN)}" for note in table.notes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def texts(table: Table) -> tuple[list[str], list[list[str]]]:
    """The head and the rows as plain texts, rounded to one decimal."""
    blocks = _blocks(table)
    head = ["Method"] + [f"{block} {group}".strip() for block, group, _ in blocks]
    return head, [_texts(row, blocks) for row in table.rows]


def csv(table: Table) -> str:
    """One line per row; the columns are the same at every scale; see `Table.csv`."""
    stream = io.StringIO()
    writer = csv_format.writer(stream, lineterminator="\n")
    parts = ("mean", "std", "paper", "difference")
    writer.writerow(
        ["row", "label", "scale", "task", "seeds", "planned_seeds"]
        + [f"{group}_{part}" for group in table.columns for part in parts]
    )
    for row in table.rows:
        numbers = [getattr(row.cells[group], part) for group in table.columns for part in parts]
        writer.writerow(
            [row.id, row.label, table.scale, table.task, len(row.seeds), len(table.planned)]
            + ["" if number is None else repr(number) for number in numbers]
        )
    return stream.getvalue()


def tex(table: Table) -> str:
    """A floating table with a two-level head; see `Table.tex`."""
    blocks = _blocks(table)
    spans, rules, start = [""], [], 2
    for block, width in _runs([block for block, _, _ in blocks]):
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{block or 'ours'}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    caption = _escaped(f"{table.title}. {table.context}")
    body = [[_escaped(text) for text in _texts(row, blocks)] for row in table.rows]
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \label{{tab:{table.scale}-{table.id}}}",
        *([r"  \footnotesize\setlength{\tabcolsep}{3pt}"] if len(blocks) > WIDE else []),
        rf"  \begin{{tabular}}{{l{'r' * len(blocks)}}}",
        r"    \toprule",
        f"    {_tex_row(spans)}",
        f"    {' '.join(rules)}",
        f"    {_tex_row(['Method', *(group for _, group, _ in blocks)])}",
        r"    \midrule",
        *(f"    {_tex_row(texts)}" for texts in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\footnotesize {_escaped(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


_Column = tuple[str, str, "Callable[[TableRow], str]"]
"""Block of columns ("" is ours), head below it, and the text of a row."""


def _blocks(table: Table) -> list[_Column]:
    """The columns after the first one: ours, seeds, the paper's, and the difference if any."""
    planned = len(table.planned)

    def column(block: str, group: str, text: Callable[[TableRow, str], str]) -> _Column:
        return block, group_label(group), lambda row: text(row, group)

    columns = [column("", group, _ours) for group in table.columns]
    columns.append(("", "seeds", lambda row: _seeds(row, planned)))
    columns += [column("paper", group, _paper) for group in table.columns]
    if table.comparable:
        columns += [column("difference", group, _difference) for group in table.columns]
    return columns


def _texts(row: TableRow, columns: Sequence[_Column]) -> list[str]:
    return [row.label, *(text(row) for _, _, text in columns)]


def _ours(row: TableRow, group: str) -> str:
    cell = row.cells[group]
    if not row.seeds:
        return MISSING
    if cell.mean is None:
        return NO_GROUND_TRUTH
    return f"{cell.mean:.1f}" if cell.std is None else f"{cell.mean:.1f} ± {cell.std:.1f}"


def _paper(row: TableRow, group: str) -> str:
    paper = row.cells[group].paper
    return NOTHING if paper is None else f"{paper:.1f}"


def _difference(row: TableRow, group: str) -> str:
    difference = row.cells[group].difference
    return NOTHING if difference is None else f"{difference:+z.1f}".replace("-", "\N{MINUS SIGN}")


def _seeds(row: TableRow, planned: int) -> str:
    count = len(row.seeds)
    return f"{count} of {planned}" if count < planned else str(count)


def _runs(names: Sequence[str]) -> list[tuple[str, int]]:
    """Neighbours of one name as (name, how many)."""
    return [(name, names.count(name)) for name in dict.fromkeys(names)]


def _markdown_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(text.translate(_MARKDOWN) for text in texts)} |"


def _escaped(text: str) -> str:
    """A text for LaTeX, with `commands` and "quotations" as they are set there."""
    text = re.sub(r"`([^`]*)`", r"\\texttt{\1}", text.translate(_TEX))
    return re.sub(r'"([^"]*)"', r"``\1''", text)


def _tex_row(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"
