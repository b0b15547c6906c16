"""What goes to the standard output: a table for people or JSON for programs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def print_table(summary: Any, heading: str = "autoencoder") -> None:
    """A summary of results, :func:`ae_jax.studies.summarise`, as wide as the terminal."""
    from ae_jax.report import results_table

    print_rich(results_table(summary, heading=heading))


def print_json(results: dict[str, Any]) -> None:
    """Results as they stand in results.json."""
    from ae_jax.studies import as_json

    print(as_json(results), end="")


def print_places(places: Iterable[Path]) -> None:
    """Where everything was written."""
    print("\nwritten:")
    for place in places:
        print(f"  {place}")


def print_use(summary: dict[str, Any], lines: Iterable[str], *, json: bool) -> None:
    """What a use of a run came to: lines for people and what was written, or a summary as JSON.

    Args:
      summary: ``"written"`` is path -> what it is; the rest is settings and numbers.
      lines: the same numbers, for people.
      json: prints the summary.
    """
    if json:
        print_json(summary)
        return
    for line in lines:
        print(line)
    for place, what in summary["written"].items():
        print(f"{place}: {what}")


def print_columns(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Plain rows under headings."""
    from rich import box
    from rich.table import Table

    table = Table(*headings, box=box.SIMPLE_HEAD, show_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    print_rich(table)


def print_rich(renderable: Any) -> None:
    """Rendered by rich, written by ``print``, so that a closed pipe is an error like any other."""
    from rich.console import Console

    console = Console()
    with console.capture() as text:
        console.print(renderable)
    print(text.get(), end="")
