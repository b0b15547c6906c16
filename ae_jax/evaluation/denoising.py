"""Denoising: reconstructions of corrupted examples beside PCA and image filters, for every corruption and level."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from ae_jax.corruptions import Corruption
from ae_jax.data import Scaling
from ae_jax.evaluation.baselines import Baseline
from ae_jax.evaluation.context import Context, Subject, with_members
from ae_jax.evaluation.filters import FILTERS, are_images, best_width
from ae_jax.evaluation.noise import NOISY, Families, corrupted, families_within, trained_on
from ae_jax.evaluation.reconstruction import image_quality
from ae_jax.evaluation.results import Row
from ae_jax.evaluation.sampling import subsample_split
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic

_TUNING = 500
"""Number of examples that the width of a filter is chosen on."""


def denoising_grid(context: Context, families: Families | None = None, *, limit: int = 2000) -> list[Row]:
    """Compares reconstructions of corrupted examples with the clean ones, for every corruption and level.

    Every subject and baseline sees the same corrupted examples. Decibels are relative to a range of 1 where the data
    lie in [0, 1], else to that of the training split. PCA has a code of the run's size; the width of a filter is chosen
    on the validation split, or on training examples where that is empty, with other noise than that of the comparison.

    Args:
      context: the run or baseline, the data and the seed of the corruptions.
      families: the corruptions; None for :func:`ae_jax.evaluation.families_within` the same range.
      limit: the largest number of examples, evenly spaced over the split.

    Returns:
      Rows as of :func:`ae_jax.evaluation.evaluate`, with the metrics of :func:`ae_jax.evaluation.image_quality`, and
      ``psnr_gain`` and ``ssim_gain``, their differences from those of the corrupted input. Further keys are
      ``corruption``, ``level`` and ``trained_on`` (:func:`ae_jax.evaluation.trained_on`; None of the corrupted input).

    Raises:
      InvalidInput: as of :func:`ae_jax.evaluation.evaluate`.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.denoising(code=8, hidden=()), data, epochs=1)
      >>> families = {"gaussian": {0.3: ae_jax.corruptions.Gaussian(scale=0.3)}}
      >>> rows = denoising_grid(Context(evaluated=run, dataset=data), families)
      >>> sorted({(row["autoencoder"], row["trained_on"]) for row in rows if row["trained_on"]})
      [('denoising', 'matched'), ('gaussian filter', 'matched'), ('median filter', 'matched'), ('pca', 'clean')]

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010; Jain and Seung, *Natural image denoising with
      convolutional networks*, NIPS 2008 (PSNR of learned denoisers).
    """
    families = families_within(*context.extremes) if families is None else families
    part, rows = subsample_split(context.part, limit), []
    x = context.scaled(part.x)
    for family, levels in families.items():
        for level, corruption in levels.items():
            noisy = corrupted(corruption, jax.random.key(context.seed), x)
            before = image_quality(noisy, x, data_range=context.data_range)
            for subject, seen, restored in _restored(context, corruption, noisy, context.condition(part)):
                after = image_quality(restored, x, data_range=context.data_range)
                # Of an exact reconstruction of an input that no corruption reached, infinity less infinity is zero.
                gains = {
                    f"{name}_gain": after[name] - old if after[name] != old else 0.0 for name, old in before.items()
                }
                further = {"corruption": family, "level": level, "trained_on": seen}
                further |= {"finite": False} if any(map(math.isnan, after.values())) else {}
                rows += context.rows(subject, after | gains, **further)
    return rows


def _restored(
    context: Context, corruption: Corruption, noisy: np.ndarray, condition: Any
) -> Iterator[tuple[Subject, str | None, np.ndarray]]:
    """What each baseline and subject makes of noisy examples, and what it saw in training."""
    yield context.raw._replace(name=NOISY), None, noisy
    if isinstance(context.evaluated, Baseline):
        yield context.subjects[0], "clean", context.evaluated.reconstruct(noisy)
        return
    yield context.baseline(context.pca), "clean", context.pca.reconstruct(noisy)
    if are_images(noisy):
        validation, train = context.dataset.validation, context.dataset.train
        clean = context.scaled(subsample_split(validation if len(validation.x) else train, _TUNING).x)
        tuning = corrupted(corruption, jax.random.fold_in(jax.random.key(context.seed), 1), clean)
        for name, (apply, _) in FILTERS.items():
            restored = apply(noisy, best_width(name, tuning, clean))
            yield context.raw._replace(name=name), "matched", restored
    run = context.evaluated
    # Not run.reconstruct, which refuses data far from those trained on, as corrupted examples may be.
    found = with_members(run, run.apply(_reconstruction, run.scaling.invert(noisy), condition=condition))
    for subject, autoencoder, restored in zip(context.subjects, run.members, found, strict=True):
        yield subject, trained_on(autoencoder, corruption), restored


def _reconstruction(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any) -> Any:
    """Reconstructions of a batch in model units, for :meth:`ae_jax.Run.apply`."""
    return autoencoder.objective.likelihood.mean(model.decode(deterministic(model.encode(scaling(stored)))))
