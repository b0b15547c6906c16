"""The commands ``encode``, ``reconstruct``, ``reduce`` and ``export``."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tyro.conf import arg

from ae_jax.cli.inputs import examples_of
from ae_jax.cli.options import FROM_RUN, InputData, Json, Member, Picture, RunFolder, option
from ae_jax.cli.session import say
from ae_jax.cli.use import Use, column_names, load_members, one_of, row_names
from ae_jax.data import writing
from ae_jax.errors import printable
from ae_jax.training import Run

_POINTS = 2000
"""Number of examples that a map shows, at most."""

Output = Annotated[str, arg(metavar="FILE")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllMembers(InputData):
    """What a run is used on, by default by all of its members."""

    member: Annotated[int | None, option("INT", "all, on a leading axis", "number of one member, from 0.")] = None


BY_ALL = AllMembers()


def encode(run: RunFolder, data: AllMembers = BY_ALL, *, out: Output = "codes.npy") -> int:
    """Writes the codes of data; of a variational autoencoder, the means of the posterior.

    Args:
      data: what the run is used on.
      out: .npy, [examples, code]; or .csv, .tsv or .parquet with columns z0, z1, ..., after index and id where known.
    """
    return _write_outputs(Run.encode, load_members(run, data.member), data, out)


def reconstruct(run: RunFolder, data: AllMembers = BY_ALL, *, out: Output = "reconstructions.npy") -> int:
    """Writes reconstructions of data, in the units of the data.

    Args:
      data: what the run is used on.
      out: .npy, [examples, *shape]; or .csv, .tsv or .parquet with the features, after index and id where known.
    """
    return _write_outputs(Run.reconstruct, load_members(run, data.member), data, out)


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


def reduce(
    run: RunFolder, data: InputData = FROM_RUN, *, out: str = "codes.csv", picture: Picture = None, json: Json = False
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
    for path in one_of(load_members(run, member), member)[0].export(out, to):
        print(path)
    return 0
