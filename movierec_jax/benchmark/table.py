"""A table of figures: as text for the terminal, as Markdown, and with all figures as JSON."""

import dataclasses
import pathlib
from typing import Any

from movierec_jax.data.files import atomic_file, write_json
from movierec_jax.evaluation.report import align_columns


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells as they are shown, and what a reader needs besides them.

    rows: as many cells as columns, the first being the row's name. notes: one sentence or phrase each.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def as_text(table: Table) -> str:
    """Returns the table in aligned columns, its title above and its notes below."""
    cells = [["", *table.columns[1:]], *map(list, table.rows)]
    return "\n".join([table.title, "", align_columns(cells), "", *table.notes])


def as_markdown(table: Table, command: str) -> str:
    """Returns the table as Markdown, with the command that made it."""
    lines = [f"# {table.title}", "", "```", command, "```", "", markdown_row(table.columns)]
    lines += ["|" + "---|" + "---:|" * (len(table.columns) - 1), *map(markdown_row, table.rows)]
    lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def markdown_row(cells: tuple[str, ...]) -> str:
    """Returns cells between bars; a bar within a cell is escaped."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def output_folder(path: str) -> pathlib.Path:
    """Returns the folder for tables, created if missing, so that a bad path fails before anything is fitted."""
    folder = pathlib.Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def publish(folder: pathlib.Path, name: str, table: Table, figures: dict[str, Any]) -> None:
    """Prints the table, and writes NAME.md with it and NAME.json with all figures; "command" is in both."""
    print(f"\n{as_text(table)}\n")
    with atomic_file(folder / f"{name}.md") as partial:
        partial.write_text(as_markdown(table, figures["command"]), encoding="utf-8")
    write_json(folder / f"{name}.json", figures)
    print(f"table and all figures in {folder / name}.md and .json")


def with_spread(values: list[float], decimals: int) -> str:
    """Returns the mean of values, and their lowest and highest if these look different."""
    mean, low, high = (f"{value:,.{decimals}f}" for value in (sum(values) / len(values), min(values), max(values)))
    return f"{mean} ({low} to {high})" if low != high else mean
