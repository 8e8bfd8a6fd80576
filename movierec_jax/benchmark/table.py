"""A table of figures, as text for the terminal, as Markdown and as JSON for programs."""

import dataclasses
import pathlib
from typing import Any

from movierec_jax.data.files import atomic_file, write_json
from movierec_jax.evaluation.report import align_columns


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells as they are shown, and what a reader needs to know beside them.

    rows: as many cells as there are columns, the first being the row's name; notes: one sentence or phrase each.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def as_text(table: Table) -> str:
    """The table in aligned columns, its title above and its notes below."""
    cells = [["", *table.columns[1:]], *map(list, table.rows)]
    return "\n".join([table.title, "", align_columns(cells), "", *table.notes])


def as_markdown(table: Table, command: str) -> str:
    """The table as Markdown, with the command that made it."""
    lines = [f"# {table.title}", "", "```", command, "```", "", markdown_row(table.columns)]
    lines += ["|" + "---|" + "---:|" * (len(table.columns) - 1), *map(markdown_row, table.rows)]
    lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def markdown_row(cells: tuple[str, ...]) -> str:
    """Cells between bars; a bar within a cell is escaped."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def write_table(folder: pathlib.Path, name: str, table: Table, figures: dict[str, Any]) -> None:
    """Writes NAME.md with the table and NAME.json with all figures, of which "command" is in both."""
    with atomic_file(folder / f"{name}.md") as partial:
        partial.write_text(as_markdown(table, figures["command"]), encoding="utf-8")
    write_json(folder / f"{name}.json", figures)


def with_spread(values: list[float], decimals: int) -> str:
    """The mean of values, and from lowest to highest where they differ in what is shown."""
    mean, low, high = (f"{value:,.{decimals}f}" for value in (sum(values) / len(values), min(values), max(values)))
    return f"{mean} ({low} to {high})" if low != high else mean


def with_interval(value: float, bounds: tuple[float, float], decimals: int) -> str:
    """A difference and its interval, with signs."""
    low, high = bounds
    return f"{value:+.{decimals}f} ({low:+.{decimals}f} to {high:+.{decimals}f})"
