"""The commands ``sample`` and ``impute``."""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from ae_jax._checks import non_negative_whole
from ae_jax.cli.inputs import dataset_of, examples_of
from ae_jax.cli.options import InputData, Json, Member, Picture, RunFolder, Sampler, Source, option
from ae_jax.cli.use import Use, check_seed
from ae_jax.errors import require_known
from ae_jax.training import load

_INCOMPLETE = "a file whose empty cells, or NaN, are missing values; or a data set by its name."


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
    run = load(folder)
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
