"""What ``ae-jax denoise`` works out around the library's functions: damage, clean examples, how near they come."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_jax.cli.using import Use
from ae_jax.data.sources import is_named
from ae_jax.errors import InvalidInput, unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_jax.corruptions import Corruption
    from ae_jax.training import Run


def corruption_of(family: str, level: float) -> "Corruption":
    """The corruption of a family at a level, which is its first number.

    Example:
      >>> corruption_of("gaussian", 0.25)
      Gaussian(scale=0.25)

    Raises:
      InvalidInput: an unknown family, or a level that it does not have.
    """
    from ae_jax.evaluation import FAMILIES

    if family not in FAMILIES:
        raise unknown("corruption", family, FAMILIES)
    kind: Any = next(iter(FAMILIES[family].values()))
    return dataclasses.replace(kind, **{dataclasses.fields(kind)[0].name: level})


def noisy_and_clean(
    use: Use, x: np.ndarray, corruption: "Corruption | None", seed: int, clean: str | None, split: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Noisy examples, and the clean ones where they are known, in the units of the data.

    Raises:
      InvalidInput: clean examples that cannot be had, or are not as many; damage that leaves the range of the data.
    """
    if corruption is not None:
        return _damaged(use.run, x, corruption, seed), x
    if clean is None:
        return x, None
    known = use.examples(clean, split).x
    if known.shape != x.shape:
        raise InvalidInput(
            f"--clean has examples of shape {known.shape} and --data of {x.shape}: expected the same examples, without "
            "and with noise."
        )
    return x, known


def require_same_rows(use: Use, data: str | None, clean: str | None, split: str | None) -> None:
    """Raises a sentence where a split of noisy examples may hold others than that of the clean ones.

    Raises:
      InvalidInput: clean examples are named beside a split, and either is a file or folder.
    """
    sources = [source for source in (data, clean) if source is not None]
    if clean is not None and split is not None and not all(map(is_named, sources)):
        raise InvalidInput(
            f"--split was given {split} beside --clean: expected none, as files are each split by themselves, into "
            "other rows; leave it out, or give files that hold those rows only."
        )


def _damaged(run: "Run", x: np.ndarray, corruption: "Corruption", seed: int) -> np.ndarray:
    """Examples with damage done to them, in the units of the data."""
    import jax

    from ae_jax.evaluation import corrupted

    model_units = np.asarray(run.scaling(run.data.raw(x)))
    noisy = np.asarray(run.scaling.invert(corrupted(corruption, jax.random.key(seed), model_units)))
    if run.data.unit_interval:
        try:
            run.data.require_range(noisy, "the noisy examples")
        except InvalidInput as error:
            raise InvalidInput(
                f"--corrupt was given {corruption!r}, after which values reach from {noisy.min():g} to "
                f"{noisy.max():g}: expected a lower level, as the data reach from {run.data.low:g} to "
                f"{run.data.high:g} and levels are in model units, from 0 to 1."
            ) from error
    return noisy


def judge_denoising(use: Use, noisy: np.ndarray, denoised: np.ndarray, clean: np.ndarray) -> None:
    """Takes down how near noisy and denoised examples are to the clean ones, in model units.

    Where all clean values are one, no range is known that decibels could be relative to: only errors are taken down.
    """
    from ae_jax.evaluation import image_quality, mean_squared_error

    scaling = use.run.scaling
    before, after, known = (np.asarray(scaling(x), np.float32) for x in (noisy, denoised, clean))
    reach = 1.0 if use.run.data.unit_interval else float(known.max() - known.min())
    for name, x in (("noisy", before), ("denoised", after)):
        if reach == 0:
            error = mean_squared_error(x, known)
            line = f"{name}: mean squared error {error:.4g}; no PSNR, as all clean values are {known.flat[0]:g}"
            use.measured(line, **{f"mse_{name}": error})
            continue
        near = image_quality(x, known, data_range=reach)
        line = f"{name}: PSNR {near['psnr']:.2f} dB" + (f", SSIM {near['ssim']:.3f}" if "ssim" in near else "")
        metrics = {f"{metric}_{name}": value for metric, value in near.items()}
        use.measured(line, **metrics)
    use.summary["data_range"] = reach


def denoising_figure(clean: np.ndarray | None, noisy: np.ndarray, denoised: np.ndarray) -> "Figure":
    """Some examples, clean where that is known, noisy and denoised."""
    from ae_jax.report import denoised_examples

    return denoised_examples(clean, noisy, denoised)
