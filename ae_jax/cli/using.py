"""One use of one member of a saved run: the member, its data, and what is written and said."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_jax.cli.populations import examples_of, load_members
from ae_jax.cli.printing import print_use
from ae_jax.cli.saving import write_picture
from ae_jax.cli.session import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy import ndarray

    from ae_jax.data import RawData
    from ae_jax.training import Run


@dataclasses.dataclass(frozen=True)
class Use:
    """What is done with one member, as it comes to be.

    Attributes:
      run: the member, as a single run.
      summary: settings and numbers, ready for JSON; ``"written"`` is path -> what it is.
      lines: the same numbers, for people.
    """

    run: "Run"
    summary: dict[str, Any]
    lines: list[str]

    @classmethod
    def of(cls, name: str, folder: Path, member: int | None) -> "Use":
        """The use of that name of a member of a saved run; of several, says which is the first that did not diverge.

        Raises:
          InvalidInput: no run there, or no such member.
        """
        chosen = load_members(folder, member)
        if member is None:
            member, count = next((place for place, finite in enumerate(chosen.finite) if finite), 0), len(chosen)
            chosen = chosen[member]
            if count > 1:
                say(f"note: the run has {count} members; this is member {member}, of seed {chosen.seeds[0]}.")
        about = {"use": name, "run": str(folder), "autoencoder": chosen.name, "member": member}
        return cls(chosen, about | {"seed": int(chosen.seeds[0]), "metrics": {}, "written": {}}, [])

    def examples(
        self, source: str | None, split: str | None, label: str | None = None, *, by_default: str = "test"
    ) -> "RawData":
        """Examples with any labels, as :func:`ae_jax.cli.populations.examples_of` finds them.

        Raises:
          InvalidInput: they cannot be had, or are no examples as the run was trained on.
        """
        return examples_of(self.run, source, split, label=label, by_default=by_default)

    def measured(self, line: str, **metrics: float | int) -> None:
        """Takes numbers down, and how people are told of them."""
        self.summary["metrics"].update(metrics)
        self.lines.append(line)

    def write_data(self, path: str, x: "ndarray", labels: "ndarray | None") -> None:
        """Writes examples in the units of the data, their columns named as those that the run was trained on.

        Raises:
          InvalidInput: they cannot be written.
        """
        from ae_jax.data.writing import write_examples

        data = self.run.data
        columns = data.columns or (data.reading.columns if data.reading.shape is not None else None)
        bounds = None if data.dtype == "uint8" else (data.low, data.high)
        name = data.reading.label or "label"
        written = write_examples(path, x, columns=columns, labels=labels, label=name, bounds=bounds)
        self.summary["written"][path] = written

    def write_codes(self, path: str, codes: "ndarray", labels: "ndarray | None") -> None:
        """Writes codes, their columns z0, z1 and so on; says so where labels cannot be kept beside them.

        Raises:
          InvalidInput: they cannot be written.
        """
        from ae_jax.data.writing import keeps_labels, write_examples

        if labels is not None and not keeps_labels(path):
            say(f"note: {path} is written without labels, which a .csv, .tsv or .parquet file keeps.")
        names = [f"z{unit}" for unit in range(codes.shape[1])]
        self.summary["written"][path] = write_examples(path, codes, columns=names, labels=labels)

    def write_table(self, path: str, table: "dict[str, ndarray]") -> None:
        """Writes columns, :func:`ae_jax.data.writing.write_table`.

        Raises:
          InvalidInput: they cannot be written.
        """
        from ae_jax.data.writing import write_table

        self.summary["written"][path] = write_table(path, table)

    def write_picture(self, path: Path | None, png: bytes | None) -> None:
        """Writes a picture, if there is one, :func:`drawn`.

        Raises:
          InvalidInput: it cannot be written.
        """
        if path is not None and png is not None:
            self.summary["written"][str(path)] = write_picture(path, png)

    def told(self, json: bool) -> int:
        """Prints lines, or the summary as JSON; the exit code."""
        print_use(self.summary, self.lines, json=json)
        return 0


def drawn(path: Path | None, figure: "Callable[[], Figure]") -> bytes | None:
    """A figure as PNG, drawn before anything is written, so that nothing is where it fails; None where none is asked.

    Example:
      >>> drawn(None, lambda: 1 / 0) is None
      True
    """
    if path is None:
        return None
    from ae_jax.report import to_png

    return to_png(figure())
