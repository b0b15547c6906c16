"""The commands that use a saved run: ``encode``, ``reconstruct``, ``reduce``, ``sample``; and what all uses share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from tyro.conf import Positional, arg

from ae_jax._checks import non_negative_whole
from ae_jax.atomic import replacing
from ae_jax.cli.inputs import dataset_of, examples_of
from ae_jax.cli.options import (
    FROM_RUN,
    Id,
    InputData,
    Json,
    Member,
    Picture,
    RunFolder,
    Sampler,
    Source,
    SplitName,
    option,
)
from ae_jax.cli.printing import print_json
from ae_jax.cli.session import say
from ae_jax.data import RawData, writing
from ae_jax.errors import InvalidInput, printable, require_known
from ae_jax.training import Run
from ae_jax.training import load as load_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 2000
"""Number of examples that a map shows, at most."""

Output = Annotated[str, arg(metavar="FILE")]
_INCOMPLETE = "a file whose empty cells, or NaN, are missing values; or a data set by its name."
AnyMember = Annotated[
    int | None,
    option("INT", "all, on a leading axis", "number of one member, from 0."),
]


def encode(
    run: RunFolder,
    *,
    data: Source = None,
    id: Id = None,
    split: SplitName = None,
    member: AnyMember = None,
    out: Output = "codes.npy",
) -> int:
    """Writes the codes of data; of a variational autoencoder, the means of the posterior.

    Args:
      out: .npy, [examples, code]; or .csv, .tsv or .parquet with columns z0, z1, ..., after index and id where known.
    """
    return _write_outputs(Run.encode, load_members(run, member), InputData(data=data, id=id, split=split), out)


def reconstruct(
    run: RunFolder,
    *,
    data: Source = None,
    id: Id = None,
    split: SplitName = None,
    member: AnyMember = None,
    out: Output = "reconstructions.npy",
) -> int:
    """Writes reconstructions of data, in the units of the data.

    Args:
      out: .npy, [examples, *shape]; or .csv, .tsv or .parquet with the features, after index and id where known.
    """
    return _write_outputs(Run.reconstruct, load_members(run, member), InputData(data=data, id=id, split=split), out)


def _write_outputs(method: Callable[..., np.ndarray], run: Run, given: InputData, out: str) -> int:
    """Writes what a method of a run returns for data, of one or all members, as an array or a table."""
    writing.require_writable(out)
    examples = examples_of(run, given, labelled=run.takes_condition, incomplete=True)
    found = method(run, examples.x, run.condition_of(examples.labels))
    if Path(out).suffix.lower() == ".npy":
        print(printable(f"{out}: {writing.write_examples(out, found)}"))
        return 0
    names = row_names(examples)
    if not run.single:
        names = {"member": np.repeat(np.arange(len(run)), len(examples.x))} | {
            name: np.tile(column, len(run)) for name, column in names.items()
        }
        found = found.reshape(-1, *found.shape[2:])
    code = found.reshape(len(found), -1).shape[1]
    columns = column_names(run) if method is Run.reconstruct else [f"z{unit}" for unit in range(code)]
    print(printable(f"{out}: {writing.write_examples(out, found, columns=columns, before=names)}"))
    return 0


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


def reduce(
    run: RunFolder,
    data: InputData = FROM_RUN,
    *,
    out: str = "codes.csv",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes the codes of one member as a table, and a map of them.

    Args:
      data: what the run is used on.
      out: .csv, .tsv or .parquet with columns z0, z1, ... and label, after index and id where known; or .npy,
        [examples, code].
      picture: file for a map of the codes of at most 2,000 examples in two dimensions, by label.
    """
    from ae_jax.evaluation import subsample
    from ae_jax.report import code_map

    use = Use.open("reduce", run, data.member, out, picture)
    examples = examples_of(use.run, data, incomplete=True)
    codes = use.encode(examples)
    use.summary.update({"examples": len(codes), "code": codes.shape[1]})
    use.lines.append(f"{len(codes):,} examples, {codes.shape[1]} numbers each")
    rows = subsample(len(codes), _POINTS)
    labels = None if examples.labels is None else examples.labels[rows]
    use.draw(lambda: code_map(use.run, examples.x[rows], labels))
    if examples.labels is not None and not writing.keeps_labels(out):
        say(f"note: {out} is written without labels, which a .csv, .tsv or .parquet file keeps.")
    names = [f"z{unit}" for unit in range(codes.shape[1])]
    how = {"columns": names, "labels": examples.labels, "before": row_names(examples)}
    return use.finish(json, writing.write_examples(out, codes, **how))


def export(
    run: RunFolder,
    *,
    to: Literal["onnx", "jax"] = "onnx",
    member: Member = None,
    out: Annotated[Path, arg(metavar="DIR")] = Path("exported"),
) -> int:
    """Writes the encoder and the decoder of one member, each as a file that needs no part of this package.

    Args:
      to: onnx, for every ONNX runtime (pip install 'ae_jax[onnx]'), or jax, by jax.export.
      out: folder for encoder and decoder.
    """
    for path in _one_of(load_members(run, member), member)[0].export(out, to):
        print(path)
    return 0


def sample(
    run: RunFolder,
    *,
    n: int = 16,
    seed: int = 0,
    condition: Annotated[str | None, option("LABEL")] = None,
    sampler: Sampler = "prior",
    data: Source = None,
    member: Member = None,
    out: str = "samples.npy",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes new data, in the units of the data, from the prior of a generative autoencoder or from a fitted sampler.

    A sampler is fitted to the codes of the training split, and saved with the run, when it is first asked for.

    Args:
      n: number of samples.
      seed: of the latents.
      condition: label of the samples, for a conditional autoencoder.
      out: .npy, .csv, .tsv or .parquet; of images also a folder for pictures 000000.png, and so on.
      picture: file for the samples in a grid.
    """
    from ae_jax.report import example_grid

    if sampler != "prior":
        _fit_sampler(run, sampler, data)
    use = Use.open("sample", run, member, out, picture, examples=True)
    classes = {str(each): each for each in use.run.data.classes or ()}
    if condition is not None and use.run.takes_condition:
        require_known("label", condition, classes)
    given = classes.get(str(condition), condition)
    samples = use.run.sample(n, seed=check_seed(seed), condition=given, sampler=sampler)
    use.summary.update({"samples": n, "latent_seed": seed, "sampler": sampler})
    use.draw(lambda: example_grid(samples))
    return use.finish(json, use.write_examples(samples))


def _fit_sampler(folder: Path, name: str, source: str | None) -> None:
    """Fits a sampler of all members, and saves it with the run, unless the run has it."""
    run = load_run(folder)
    if name not in run.samplers:
        run.sampler(name, dataset_of(run, source))
        run.save_sampler(folder, name)


def impute(
    run: RunFolder,
    data: Annotated[Positional[str], arg(metavar="DATA", help=_INCOMPLETE)],
    *,
    samples: int = 1000,
    imputations: int = 0,
    seed: int = 0,
    member: Member = None,
    out: str = "imputed.csv",
    json: Json = False,
) -> int:
    """Fills in missing values, by an autoencoder that was trained for them, such as missing.

    Args:
      samples: number of latents that each example's expectation is taken over.
      imputations: number of draws from the distribution of the missing values, written beside --out as NAME-1, NAME-2
        and so on, for multiple imputation.
      seed: of latents and draws.
      out: .npy, .csv, .tsv or .parquet for the data with expectations in place of missing values.
    """
    use = Use.open("impute", run, member, out, None, examples=True)
    examples = examples_of(use.run, InputData(data=data), incomplete=True)
    filled = use.run.impute(
        examples.x,
        samples,
        imputations=max(non_negative_whole("--imputations", "M", imputations), 1),
        condition=use.run.condition_of(examples.labels),
        seed=check_seed(seed),
    )
    count = int(np.isnan(examples.x).sum())
    use.report(f"{count:,} of {examples.x.size:,} values were missing", missing=count, values=examples.x.size)
    for place, draw in enumerate(filled.draws[:imputations], 1):
        own = dataclasses.replace(use, out=str(Path(out).with_stem(f"{Path(out).stem}-{place}")))
        use.lines.append(f"{own.out}: {own.write_examples(draw, examples)}")
    return use.finish(json, use.write_examples(filled.mean, examples))


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
        run, member = _one_of(load_members(folder, member), member)
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


def _one_of(run: Run, member: int | None) -> tuple[Run, int]:
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
