"""One use of a saved run: its member, its outputs and how they are written."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_jax.atomic import replacing
from ae_jax.cli.printing import print_json
from ae_jax.cli.session import say
from ae_jax.data import RawData, writing
from ae_jax.errors import InvalidInput, printable
from ae_jax.training import Run
from ae_jax.training import load as load_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def row_names(examples: RawData, *, always: bool = False) -> dict[str, np.ndarray]:
    """Returns the columns that name the rows of results: index in the source, and id where the source has ids.

    Unless ``always``, there are none where the rows are all of the source and have no ids.
    """
    if not always and examples.rows is None and examples.ids is None:
        return {}
    index = np.arange(len(examples.x)) if examples.rows is None else examples.rows
    return {"index": index} | ({} if examples.ids is None else {"id": examples.ids})


def column_names(run: Run) -> Any:
    """Returns the names of the features that a run was trained on, or None."""
    return run.data.columns or (run.data.reading.columns if run.data.reading.shape is not None else None)


def check_seed(seed: int) -> int:
    """Returns the seed, or raises where JAX makes no key of it."""
    if not 0 <= seed < 2**32:
        raise InvalidInput(f"--seed was given {seed}: expected a whole number from 0 to {2**32 - 1}.")
    return seed


@dataclasses.dataclass
class Use:
    """One use of one member of a saved run: where its results go, and what they are.

    Attributes:
      run: the member, as a single run.
      out: path of the results.
      picture: path of the picture, if one is asked for.
      summary: settings and numbers, ready for JSON.
      lines: the same numbers, for people.
      png: the picture, drawn before anything is written.
    """

    run: Run
    out: str
    picture: Path | None
    summary: dict[str, Any]
    lines: list[str] = dataclasses.field(default_factory=list)
    png: bytes = b""

    @classmethod
    def open(
        cls, name: str, folder: Path, member: int | None, out: str, picture: Path | None, *, examples: bool = False
    ) -> "Use":
        """Checks that the results can be written, and loads a member of a run: by default the first that is finite.

        Results that are examples can also go into a folder of pictures, where they are images.
        """
        if picture is not None:
            _require_picture(picture, out)
        if not examples:
            writing.require_writable(out)
        run, member = one_of(load_members(folder, member), member)
        if examples:
            writing.require_writable(out, shape=run.shape)
        about = {"use": name, "run": str(folder), "autoencoder": run.name, "member": member}
        return cls(run, out, picture, about | {"seed": int(run.seeds[0]), "metrics": {}})

    def encode(self, examples: RawData) -> np.ndarray:
        """Returns the codes of examples as rows."""
        codes = self.run.encode(examples.x, self.run.condition_of(examples.labels))
        return codes.reshape(len(codes), -1)

    def report(self, line: str, **metrics: float | int) -> None:
        """Adds numbers to the summary, and a line that shows them to people."""
        self.summary["metrics"].update(metrics)
        self.lines.append(line)

    def draw(self, figure: "Callable[[], Figure]") -> None:
        """Draws the picture, if one is asked for."""
        from ae_jax.report import to_png

        if self.picture is not None:
            self.png = to_png(figure())

    def write_examples(self, x: np.ndarray, of: RawData | None = None) -> str:
        """Writes examples in the units of the data, with the columns trained on, and names and labels of their rows."""
        data = self.run.data
        how: dict[str, Any] = {"columns": column_names(self.run), "label": data.reading.label or "label"}
        how["bounds"] = None if data.dtype == "uint8" else (data.low, data.high)
        if of is not None:
            how |= {"labels": of.labels, "before": row_names(of)}
        return writing.write_examples(self.out, x, **how)

    def finish(self, json: bool, written: str) -> int:
        """Writes the picture, and prints the summary with the description of the written results."""
        files = {self.out: written}
        if self.picture is not None:
            with replacing(self.picture) as scratch:
                scratch.write_bytes(self.png)
            files[str(self.picture)] = "a picture"
        if json:
            print_json(self.summary | {"written": files})
        else:
            lines = *self.lines, *(f"{place}: {what}" for place, what in files.items())
            print(*map(printable, lines), sep="\n")
        return 0


def _require_picture(path: Path, out: str) -> None:
    """Raises where a picture cannot be written: another ending than .png, or inside the folder of other pictures."""
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"--picture was given {path}: expected the name of a file that ends in .png.")
    writing.require_writable(path.with_suffix(".csv"))
    if path.is_dir():
        raise InvalidInput(f"--picture was given {path}, a folder: expected the name of a file.")
    if writing.is_folder_name(out) and path.resolve().is_relative_to(Path(out).resolve()):
        raise InvalidInput(f"--picture was given {path}, inside the folder {out}: expected a place outside of it.")


def one_of(run: Run, member: int | None) -> tuple[Run, int]:
    """Returns the first finite member of a run and its number, or the only one that was loaded."""
    if member is not None:
        return run, member
    member, count = next((place for place, finite in enumerate(run.finite) if finite), 0), len(run)
    if count > 1:
        say(f"note: the run has {count} members; this is member {member}, of seed {run.seeds[member]}.")
    return run[member], member


def load_members(folder: Path, member: int | None) -> Run:
    """Loads a saved run, or one member of it."""
    run = load_run(folder)
    try:
        return run if member is None else run[member]
    except IndexError as error:
        raise InvalidInput(str(error)) from None
