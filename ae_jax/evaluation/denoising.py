"""Denoising: reconstructions of corrupted examples beside linear maps and image filters, for every corruption."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.corruptions import Corruption, Masking
from ae_jax.evaluation.baselines import PCA, Baseline, LinearDenoiser, most_components
from ae_jax.evaluation.context import Context, Subject, with_members
from ae_jax.evaluation.filters import FILTERS, are_images
from ae_jax.evaluation.noise import NOISY, Families, corrupted, families_within, trained_on
from ae_jax.evaluation.reconstruction import image_quality
from ae_jax.evaluation.results import Row
from ae_jax.evaluation.sampling import subsample_split
from ae_jax.training import Run, batches

Restore = Callable[[np.ndarray, Any], np.ndarray]
"""Maps noisy examples and their condition to reconstructions by each member, ``[members, n, *shape]``."""

_TUNING = 500
"""Number of examples that sizes, ridges, widths and the scale of inputs are chosen on."""
_COMPONENTS = 1_000
"""The largest number of principal components that linear maps are chosen from."""
_SIZES = 24
_RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Number of sizes of PCA, and ridges relative to the mean variance, that are chosen from."""


class _Method(NamedTuple):
    """Subjects, what each saw in training, and the restorations that each chooses from."""

    subjects: Sequence[Subject]
    seen: Sequence[str]
    restorations: Sequence[Restore]


def denoising_grid(
    context: Context, families: Families | None = None, *, limit: int = 2000, baselines: bool = True
) -> list[Row]:
    """Compares reconstructions of corrupted examples with the clean ones, for every corruption and level.

    Every subject and baseline sees the same corrupted examples, and all reconstructions are clipped to the range of the
    data: [0, 1] where they lie in it, else that of the training split, to which decibels are relative. Beside PCA of
    the run's size are PCA of the best size (``"tuned pca"``), the linear map that was fitted to the corruption
    (:class:`LinearDenoiser`) and, of images, filters. Their sizes, ridges and widths, and for every subject whether
    masked inputs are divided by the fraction that is kept, have the least error on validation examples, or on training
    examples where there are none, with other noise than that of the comparison.

    Args:
      context: the run or baseline, the data and the seed of the corruptions.
      families: the corruptions; None for :func:`ae_jax.evaluation.families_within` the same range.
      limit: the largest number of examples, evenly spaced over the split.
      baselines: whether those of a run are measured beside it.

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
      >>> sorted({row["autoencoder"] for row in rows if row["trained_on"] == "matched"})
      ['denoising', 'gaussian filter', 'linear denoiser', 'median filter']

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010; Jain and Seung, *Natural image denoising with
      convolutional networks*, NIPS 2008 (PSNR of learned denoisers).
    """
    families = families_within(*context.extremes) if families is None else families
    part, rows = subsample_split(context.part, limit), []
    x, components = context.scaled(part.x), None
    if isinstance(context.evaluated, Run) and baselines:
        components = PCA.fit(context.train, min(most_components(context.train), _COMPONENTS))
    for family, levels in families.items():
        for level, corruption in levels.items():
            noisy = corrupted(corruption, jax.random.key(context.seed), x)
            before = image_quality(noisy, x, data_range=context.data_range)
            methods = _methods(context, corruption, components)
            for subject, seen, restored in _restored(context, corruption, methods, noisy, context.condition(part)):
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
    context: Context, corruption: Corruption, methods: Iterable[_Method], noisy: np.ndarray, condition: Any
) -> Iterator[tuple[Subject, str | None, np.ndarray]]:
    """What each subject makes of noisy examples in the way that is best on other examples, and what it was trained on.

    Every method chooses whether masked inputs are divided by the fraction that is kept, and is clipped alike.
    """
    yield context.raw._replace(name=NOISY), None, noisy
    validation, train = context.dataset.validation, context.dataset.train
    tuning = subsample_split(validation if len(validation.x) else train, _TUNING)
    clean = context.scaled(tuning.x)
    tried = corrupted(corruption, jax.random.fold_in(jax.random.key(context.seed), 1), clean)
    kept = 1.0 - float(corruption.probability) if isinstance(corruption, Masking) else 1.0
    scales = [scale for scale in (1.0, kept) if scale > 0]

    def clipped(restore: Restore, scale: float) -> Restore:
        return lambda x, condition: np.clip(restore(x / np.float32(scale), condition), *context.extremes)

    def errors(way: Restore, members: int) -> np.ndarray:
        made = way(tried, context.condition(tuning))
        return np.square(made - clean[None]).reshape(members, -1).mean(axis=1, dtype=np.float64)

    for subjects, seen, restorations in methods:
        ways = [clipped(restore, scale) for restore in restorations for scale in dict.fromkeys(scales)]
        best = np.argmin([errors(way, len(subjects)) for way in ways], axis=0).tolist()
        found = {choice: ways[choice](noisy, condition) for choice in set(best)}
        for member, (subject, of_training) in enumerate(zip(subjects, seen, strict=True)):
            yield subject, of_training, found[best[member]][member]


def _methods(context: Context, corruption: Corruption, components: PCA | None) -> Iterator[_Method]:
    """The baselines and the members of the run; or the baseline that is evaluated."""

    def alone(name: str, seen: str, restorations: Iterable[Callable[[np.ndarray], np.ndarray]]) -> _Method:
        each = [lambda x, _, restore=restore: restore(x)[None] for restore in restorations]
        return _Method([context.raw._replace(name=name)], [seen], each)

    if isinstance(context.evaluated, Baseline):
        yield alone(context.evaluated.name, "clean", [context.evaluated.reconstruct])
        return
    if components is not None:
        yield alone(context.pca.name, "clean", [context.pca.reconstruct])
        sizes = dict.fromkeys(np.geomspace(1, components.units, _SIZES).astype(int).tolist())
        yield alone("tuned pca", "clean", [partial(components.truncated, size=size) for size in sizes])
        key = jax.random.fold_in(jax.random.key(context.seed), 2)
        linear = LinearDenoiser.fit(components, context.train, corruption, key)
        yield alone("linear denoiser", "matched", [partial(linear.reconstruct, ridge=ridge) for ridge in _RIDGES])
        for name, (smooth, widths) in FILTERS.items() if are_images(context.train) else ():
            yield alone(name, "matched", [partial(smooth, width=width) for width in widths])
    run = context.run

    def reconstruct(noisy: np.ndarray, condition: Any) -> np.ndarray:
        # Not run.reconstruct, which refuses data far from those trained on, as corrupted examples may be.
        return with_members(run, run.apply(batches.reconstruct, run.scaling.invert(noisy), condition=condition))

    yield _Method(context.subjects, [trained_on(autoencoder, corruption) for autoencoder in run.members], [reconstruct])
