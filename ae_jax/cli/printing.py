"""Writes to standard output: tables for people, or JSON for programs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ae_jax.errors import printable


def print_table(summary: Any, differences: Any, heading: str) -> None:
    """Prints a summary of results and their tests (:func:`ae_jax.report.study_summary`), as wide as the terminal."""
    from ae_jax.report import results_table

    print_rich(results_table(summary, differences, heading=heading))


def print_json(results: dict[str, Any]) -> None:
    """Prints results as in results.json."""
    from ae_jax.studies import as_json

    print(as_json(results), end="")


def print_paths(paths: Iterable[Path]) -> None:
    """Prints the paths of everything that was written."""
    print("\nwritten:", *(printable(str(path)) for path in paths), sep="\n  ")


def print_columns(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints plain rows below headings."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=box.SIMPLE_HEAD, show_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(str(value))) for value in row))
    print_rich(table)


def print_rich(renderable: Any) -> None:
    """Renders by rich and writes by ``print``, so that a closed pipe is an error like any other."""
    from rich.console import Console

    console = Console()
    with console.capture() as text:
        console.print(renderable)
    print(text.get(), end="")
