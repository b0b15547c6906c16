"""The command ``denoise``."""

import dataclasses
from typing import Annotated, Any

import jax
import numpy as np

from ae_jax.cli.inputs import examples_of
from ae_jax.cli.options import FROM_RUN, InputData, Json, Picture, RunFolder, SplitName, option
from ae_jax.cli.use import Use, check_seed
from ae_jax.corruptions import Corruption, SaltAndPepper
from ae_jax.data.sources import is_named
from ae_jax.errors import InvalidInput, require_known
from ae_jax.training import Run

Corrupt = Annotated[str | None, option("FAMILY:LEVEL", "the examples are noisy already")]
Clean = Annotated[str | None, option("NAME|PATH", "with --corrupt the examples")]


def denoise(
    run: RunFolder,
    data: InputData = FROM_RUN,
    *,
    corrupt: Corrupt = None,
    seed: int = 0,
    clean: Clean = None,
    out: str = "denoised.npy",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes reconstructions of noisy examples, in the units of the data.

    The examples of --data are noisy, or with --corrupt clean; with --clean, --split is of data sets by name only. Where
    the clean examples are known, prints PSNR in decibels (of all examples together, in model units; the range is 1 of
    data in [0, 1], else that of the clean examples) and the mean SSIM of images, before and after.

    Args:
      data: what the run is used on.
      corrupt: noise that is added first, its level in model units: gaussian:STANDARD_DEVIATION, masking:PROBABILITY or
        salt_and_pepper:PROBABILITY, which writes 0 and 1 or, where the data leave [0, 1], their extreme values.
      seed: of the noise.
      clean: the same examples without noise, to compare with.
      out: .npy, .csv, .tsv or .parquet; of images also a folder for pictures 000000.png, and so on.
      picture: file for some examples, clean, noisy and denoised.
    """
    from ae_jax.report import denoised_examples

    if corrupt is not None and clean is not None:
        raise InvalidInput("denoise was given --corrupt and --clean: expected one, as with --corrupt --data is clean.")
    if clean is not None and data.split is not None and not all(is_named(each) for each in (data.data, clean) if each):
        raise InvalidInput(
            f"--split was given {data.split} beside --clean: expected none, as each file is split by itself, into "
            "other rows; leave it out, or give files that hold those rows only."
        )
    corruption = None if corrupt is None else parse_corruption(corrupt)
    use = Use.open("denoise", run, data.member, out, picture, examples=True)
    examples = examples_of(use.run, data)
    noisy, known = examples.x, None if clean is None else clean_examples(use.run, clean, data.split, examples.x.shape)
    if corruption is not None:
        noisy, corruption = add_noise(use.run, known := noisy, corruption, check_seed(seed))
        use.summary.update({"corruption": str(corruption), "noise_seed": seed})
    denoised = use.run.reconstruct(noisy, use.run.condition_of(examples.labels))
    use.summary.update({"examples": len(denoised)})
    use.lines.append(f"{len(denoised):,} examples")
    if known is not None:
        report_quality(use, noisy, denoised, known)
    use.draw(lambda: denoised_examples(known, noisy, denoised))
    return use.finish(json, use.write_examples(denoised, examples))


def clean_examples(run: Run, source: str, split: SplitName, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the examples of --clean, which have the shape of the noisy ones."""
    found = examples_of(run, InputData(data=source, split=split)).x
    if found.shape != shape:
        raise InvalidInput(
            f"--clean has examples of shape {found.shape} and --data of {shape}: expected the same examples."
        )
    return found


def parse_corruption(text: str) -> Corruption:
    """Returns a corruption of a family at a level, which is its first number.

    Example:
      >>> parse_corruption("gaussian:0.25")
      Gaussian(scale=0.25)
    """
    from ae_jax.evaluation import families_within

    family, _, level = text.partition(":")
    try:
        number = float(level)
    except ValueError:
        raise InvalidInput(f"--corrupt was given {text!r}: expected FAMILY:LEVEL, such as gaussian:0.3.") from None
    families = families_within()
    require_known("corruption", family, families)
    kind: Any = next(iter(families[family].values()))
    return dataclasses.replace(kind, **{dataclasses.fields(kind)[0].name: number})


def add_noise(run: Run, x: np.ndarray, corruption: Corruption, seed: int) -> tuple[np.ndarray, Corruption]:
    """Returns corrupted examples, in the units of the data, and the corruption within their range.

    Raises:
      InvalidInput: corrupted examples leave the range of the data.
    """
    from ae_jax.evaluation import corrupted

    model_units = np.asarray(run.scaling(run.data.raw(x)))
    if isinstance(corruption, SaltAndPepper) and not run.data.unit_interval:
        low, high = float(model_units.min()), float(model_units.max())
        corruption = dataclasses.replace(corruption, low=low, high=high)
    noisy = np.asarray(run.scaling.invert(corrupted(corruption, jax.random.key(seed), model_units)))
    if run.data.unit_interval:
        try:
            run.data.require_range(noisy, "the noisy examples")
        except InvalidInput as error:
            raise InvalidInput(
                f"--corrupt was given {corruption!r}, after which values reach from {noisy.min():g} to "
                f"{noisy.max():g}: expected a lower level, in model units, which are from 0 to 1."
            ) from error
    return noisy, corruption


def report_quality(use: Use, noisy: np.ndarray, denoised: np.ndarray, clean: np.ndarray) -> None:
    """Reports how near noisy and denoised examples are to the clean ones, in model units."""
    from ae_jax.evaluation import image_quality

    before, after, known = (np.asarray(use.run.scaling(x), np.float32) for x in (noisy, denoised, clean))
    data_range = 1.0 if use.run.data.unit_interval else float(np.ptp(known)) or 1.0
    for name, x in (("noisy", before), ("denoised", after)):
        found = image_quality(x, known, data_range=data_range)
        line = f"{name}: PSNR {found['psnr']:.2f} dB" + (f", SSIM {found['ssim']:.3f}" if "ssim" in found else "")
        use.report(line, **{f"{metric}_{name}": value for metric, value in found.items()})
    use.summary["data_range"] = data_range
