"""How much of the clean example does it bring back from a corrupted one?"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Float

from ae_jax._checks import positive_whole, require_positive
from ae_jax.corruptions import Corruption, Gaussian, Masking, SaltAndPepper
from ae_jax.data import Dataset, Scaling
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.filters import FILTERS, Filter, are_images, best_width
from ae_jax.evaluation.fitting import fitting_split
from ae_jax.evaluation.metrics import Row
from ae_jax.evaluation.pca import principal_components
from ae_jax.evaluation.reconstruction import mean_squared_error, psnr, structural_similarity
from ae_jax.evaluation.sampling import subsample
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training import Run
from ae_jax.types import Key

Reconstruct = Callable[[np.ndarray], np.ndarray]
"""Maps examples to reconstructions, both in model units, ``[n, *features]``."""

Families = Mapping[str, Mapping[float, Corruption]]
"""Corruptions by the name of their family and their level."""

FAMILIES: Families = {
    "gaussian": {level: Gaussian(scale=level) for level in (0.1, 0.2, 0.3, 0.5)},
    "masking": {level: Masking(probability=level) for level in (0.1, 0.25, 0.5, 0.75)},
    "salt_and_pepper": {level: SaltAndPepper(probability=level) for level in (0.05, 0.1, 0.25, 0.5)},
}
"""What damages inputs in the comparison of denoisers: the three of Vincent et al. (2010), at four levels each."""

NOISY = "noisy input"
_TRAINED_ON = {NOISY: None, "pca": "clean"} | dict.fromkeys(FILTERS, "matched")
_TUNED_ON = 500
"""How many examples a filter's width is chosen on."""


def corrupted(
    corruption: Corruption, key: Key, x: Float[np.ndarray, "n *features"]
) -> Float[np.ndarray, "n *features"]:
    """Examples in model units, damaged; the same key gives every autoencoder the same damage."""
    return np.asarray(_corrupted(corruption, key, x))


@jax.jit
def _corrupted(corruption: Corruption, key: Key, x: Any) -> Any:
    return corruption(key, x)


def psnr_corrupted(
    reconstruct: Reconstruct,
    corruption: Corruption,
    key: Key,
    x: Float[np.ndarray, "n *features"],
) -> float:
    """Mean peak signal-to-noise ratio of reconstructions of corrupted examples against the clean ones.

    Args:
      reconstruct: maps examples to reconstructions, both in model units, ``[n, *features]``.
      corruption: what damages the examples.
      key: of the damage.
      x: clean examples in [0, 1], ``[n, *features]``.

    Returns:
      The mean over examples of :func:`ae_jax.evaluation.psnr`, in decibels.

    Example:
      >>> from ae_jax.corruptions import Masking
      >>> round(psnr_corrupted(lambda x: x + 0.1, Masking(probability=0.0), jax.random.key(0), np.zeros((2, 4))), 2)
      20.0
    """
    return float(np.mean(psnr(reconstruct(corrupted(corruption, key, x)), x)))


def image_quality(
    reconstruction: Float[np.ndarray, "n *features"],
    clean: Float[np.ndarray, "n *features"],
    *,
    data_range: float = 1.0,
) -> dict[str, float]:
    r"""How near reconstructions of all examples together come to the clean ones.

    .. math:: \mathrm{PSNR} = 10 \log_{10} \frac{R^2}{\frac{1}{n d} \sum_{b,i} (\hat x_{bi} - x_{bi})^2}

    The error is the mean over all examples: of one alone it may be zero, as where masking leaves an almost empty image
    whole, and a mean of decibels infinite.

    Args:
      reconstruction, clean: in model units, ``[n, *features]``.
      data_range: R, from the lowest to the highest possible value; 1 for data in [0, 1].

    Returns:
      ``psnr`` in decibels and, of images of at least 3 pixels on a side, ``ssim``, the mean of
      :func:`ae_jax.evaluation.structural_similarity`; NaN of reconstructions that are not finite.

    Raises:
      InvalidInput: the shapes differ.

    Example:
      >>> image_quality(np.zeros((1, 4)), np.full((1, 4), 0.1))
      {'psnr': 20.0}

    References:
      Jain and Seung, *Natural image denoising with convolutional networks*, NIPS 2008 (PSNR of learned denoisers).
    """
    images = are_images(clean) and min(clean.shape[1:3]) >= 3
    if not np.isfinite(reconstruction).all():
        return dict.fromkeys(("psnr", "ssim") if images else ("psnr",), math.nan)
    error = mean_squared_error(reconstruction, clean)
    values = {"psnr": 10.0 * math.log10(data_range**2 / error) if error != 0 else math.inf}
    if images:
        values["ssim"] = float(np.mean(structural_similarity(reconstruction, clean, data_range=data_range)))
    return values


def denoising_grid(
    reconstruct: Mapping[str, Reconstruct],
    x: Float[np.ndarray, "n *features"],
    *,
    baselines: Callable[[Corruption], Mapping[str, Reconstruct]] | None = None,
    families: Families = FAMILIES,
    seed: int = 0,
    data_range: float = 1.0,
) -> list[Row]:
    """How near each method comes to the clean examples, for every corruption; every method sees the same damage.

    Args:
      reconstruct: methods by their name.
      x: clean examples in model units, ``[n, *features]``.
      baselines: further methods made for each corruption, such as :func:`denoising_baselines` gives.
      families: the corruptions.
      seed: of the damage.
      data_range: R, from the lowest to the highest possible value; 1 for data in [0, 1].

    Returns:
      Rows ``{"method", "corruption", "level", "metric", "value"}``, of the method ``"noisy input"`` too, which does
      nothing. Metrics are those of :func:`image_quality`; ``psnr_gain`` and ``ssim_gain`` are what is more than of the
      noisy input.

    Raises:
      InvalidInput: two methods of one name, a range that is not above zero, or reconstructions of another shape.

    Example:
      >>> from ae_jax.corruptions import Gaussian
      >>> families = {"gaussian": {0.5: Gaussian(scale=0.5)}}
      >>> rows = denoising_grid({"half": lambda x: 0.5 * x}, np.zeros((10, 4), np.float32), families=families)
      >>> [(row["method"], row["metric"], round(row["value"], 1)) for row in rows if row["method"] == "half"]
      [('half', 'psnr', 11.9), ('half', 'psnr_gain', 6.0)]

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010, section 3.3; Jain and Seung, *Natural image denoising
      with convolutional networks*, NIPS 2008 (PSNR of learned denoisers).
    """
    require_positive("denoising_grid", data_range=data_range)
    rows = []
    for family, levels in families.items():
        for level, corruption in levels.items():
            noisy = corrupted(corruption, jax.random.key(seed), x)
            methods = _together({NOISY: lambda seen: seen}, baselines(corruption) if baselines else {}, reconstruct)
            before = image_quality(noisy, x, data_range=data_range)
            for method, denoise in methods.items():
                after = image_quality(denoise(noisy), x, data_range=data_range)
                values = after | {f"{metric}_gain": _gain(after[metric], before[metric]) for metric in before}
                rows += [
                    {"method": method, "corruption": family, "level": level, "metric": metric, "value": value}
                    for metric, value in values.items()
                ]
    return rows


def denoising_baselines(
    train_x: Float[np.ndarray, "n *features"],
    validation_x: Float[np.ndarray, "m *features"],
    *,
    code: int,
    seed: int = 0,
) -> Callable[[Corruption], dict[str, Reconstruct]]:
    """Denoisers that an autoencoder should beat, each at its best for a corruption.

    They are PCA, fitted on clean training examples, and of images a Gaussian and a median filter whose width is chosen
    for the corruption on up to 500 validation examples, evenly spaced, with other damage than that of the comparison.

    Args:
      train_x: clean training examples in model units, ``[n, *features]``.
      validation_x: clean examples that neither training nor the comparison uses, ``[m, *features]``.
      code: number of principal components.
      seed: of the damage that widths are chosen under.

    Returns:
      What maps a corruption to the denoisers by their names: ``pca``, ``gaussian filter`` and ``median filter``.

    Raises:
      InvalidInput: more components than features or training examples, or no example to choose a width on.

    Example:
      >>> from ae_jax.corruptions import Gaussian
      >>> x = np.random.default_rng(0).random((20, 6, 6), np.float32)
      >>> list(denoising_baselines(x[:10], x[10:], code=2)(Gaussian(scale=0.3)))
      ['pca', 'gaussian filter', 'median filter']

    References:
      Buades et al., *A review of image denoising algorithms, with a new one*, Multiscale Modeling & Simulation 2005.
    """
    if not len(validation_x):
        raise InvalidInput("denoising_baselines was given no validation examples: expected some to choose widths on.")
    project = principal_components(train_x, code).reconstruct
    clean = validation_x[subsample(len(validation_x), _TUNED_ON)]
    key = jax.random.fold_in(jax.random.key(seed), 1)

    def tuned(corruption: Corruption) -> dict[str, Reconstruct]:
        methods: dict[str, Reconstruct] = {"pca": project}
        if are_images(clean):
            noisy = corrupted(corruption, key, clean)
            for name, (smooth, widths) in FILTERS.items():
                methods[name] = _at_width(smooth, best_width(smooth, widths, noisy, clean))
        return methods

    return tuned


def is_matched(autoencoder: Autoencoder, corruption: Corruption) -> bool:
    """Whether the autoencoder was trained on this very corruption, level included.

    Example:
      >>> import ae_jax
      >>> [is_matched(ae_jax.denoising(noise=0.3), ae_jax.corruptions.Gaussian(scale=scale)) for scale in (0.3, 0.5)]
      [True, False]
    """
    return _identity_of(_corruption_of(autoencoder)) == _identity_of(corruption)


def trained_on(autoencoder: Autoencoder, corruption: Corruption) -> Literal["matched", "blind", "clean"]:
    """What the autoencoder saw in training: this corruption, another one, or clean inputs.

    Example:
      >>> import ae_jax
      >>> trained_on(ae_jax.denoising(), ae_jax.corruptions.Masking(probability=0.5))
      'blind'
    """
    if _corruption_of(autoencoder) is None:
        return "clean"
    return "matched" if is_matched(autoencoder, corruption) else "blind"


def evaluate_denoising(
    run: Run,
    dataset: Dataset,
    *,
    split: str = "test",
    families: Families = FAMILIES,
    seed: int = 0,
    limit: int = 2000,
) -> list[Row]:
    """How well every member denoises, beside the baselines, for every corruption.

    Decibels are relative to a range of 1 where the data lie in [0, 1], else to that of the training split, both in
    model units. Baselines have as many components as the run has code units, if the data have, and choose widths on the
    validation split, or on training examples where that is empty.

    Args:
      run: a trained population.
      dataset: the data; its shape and scaling are the run's.
      split: which split is denoised.
      families: the corruptions.
      seed: of the damage.
      limit: how many examples are denoised at most, evenly spaced over the split.

    Returns:
      Rows ``{"autoencoder", "seed", "member", "metric", "value", "split", "corruption", "level", "trained_on"}`` with
      the metrics of :func:`denoising_grid`; ``trained_on`` is ``"matched"``, ``"blind"`` or ``"clean"``
      (:func:`trained_on`), and None of the noisy input. Baselines have the seed None. Rows of a member that diverged,
      or whose reconstructions are not finite, say so by ``"finite": False``.

    Raises:
      InvalidInput: an unknown or empty split, data of another shape or scaling than the run's, or a limit that is no
        whole number above zero.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.denoising(code=8, hidden=()), data, epochs=1)
      >>> rows = evaluate_denoising(run, data, families={"gaussian": {0.3: ae_jax.corruptions.Gaussian(scale=0.3)}})
      >>> sorted({(row["autoencoder"], row["trained_on"]) for row in rows if row["trained_on"]})
      [('denoising', 'matched'), ('gaussian filter', 'matched'), ('median filter', 'matched'), ('pca', 'clean')]

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010.
    """
    limit = positive_whole("evaluate_denoising", "limit", limit)
    part = fitting_split(run, dataset, split)
    shown = part.x[subsample(len(part.x), limit)]
    x, train = (np.asarray(run.scaling(stored.astype(np.float32))) for stored in (shown, dataset.train.x))
    tuning = dataset.validation.x if len(dataset.validation.x) else dataset.train.x
    held_out = np.asarray(run.scaling(tuning[subsample(len(tuning), _TUNED_ON)].astype(np.float32)))
    code = min(run.autoencoder.networks.code, len(train), math.prod(run.shape))
    members = {f"{run.name}, member {member}": member for member in range(len(run))}
    rows = denoising_grid(
        {name: _denoiser(run[member]) for name, member in members.items()},
        x,
        baselines=denoising_baselines(train, held_out, code=code, seed=seed),
        families=families,
        seed=seed,
        data_range=1.0 if dataset.spec.unit_interval else float(train.max() - train.min()),
    )

    autoencoders = run.members
    return [_row_of(row, run, members.get(row["method"]), autoencoders, families, split) for row in rows]


def _row_of(
    row: Row, run: Run, member: int | None, autoencoders: Sequence[Autoencoder], families: Families, split: str
) -> Row:
    """A row of the grid in the long format, of a member or, without one, of a baseline."""
    values = {name: row[name] for name in ("metric", "value")} | {"split": split}
    values |= {name: row[name] for name in ("corruption", "level")}
    if member is None:
        who = {"autoencoder": row["method"], "seed": None, "member": 0}
        return who | values | {"trained_on": _TRAINED_ON[row["method"]]}
    seen = trained_on(autoencoders[member], families[row["corruption"]][row["level"]])
    diverged = {} if run.finite[member] and not math.isnan(row["value"]) else {"finite": False}
    who = {"autoencoder": run.name, "seed": int(run.seeds[member]), "member": member}
    return who | values | {"trained_on": seen} | diverged


def _gain(after: float, before: float) -> float:
    """The difference; none between an exact reconstruction and an input that no damage reached."""
    return 0.0 if after == before else after - before


def _together(*parts: Mapping[str, Reconstruct]) -> dict[str, Reconstruct]:
    names = [name for part in parts for name in part]
    if len(set(names)) < len(names):
        raise InvalidInput(f"denoising_grid was given the methods {', '.join(names)}: expected each name once.")
    return {name: denoise for part in parts for name, denoise in part.items()}


def _at_width(smooth: Filter, width: float | int) -> Reconstruct:
    return lambda x: smooth(x, width)


def _corruption_of(autoencoder: Autoencoder) -> Corruption | None:
    return getattr(autoencoder.objective, "corruption", None)


def _identity_of(corruption: Corruption | None) -> tuple[Any, ...]:
    """Structure and numbers, in the 32 bits of training; any other callable is what it is."""
    leaves: Iterable[Any] = jax.tree.leaves(corruption)
    numbers = tuple(leaf if callable(leaf) else float(np.float32(leaf)) for leaf in leaves)
    return jax.tree.structure(corruption), *numbers


def _denoiser(run: Run) -> Reconstruct:
    # Not run.reconstruct, which refuses data that are far from those trained on, as damaged ones may be.
    return lambda x: run.apply(_reconstruction, run.scaling.invert(x))


def _reconstruction(autoencoder: Autoencoder, networks: Any, scaling: Scaling, stored: Any) -> Any:
    """Of a batch, in model units, for :meth:`ae_jax.Run.apply`."""
    return autoencoder.objective.likelihood.mean(networks.decode(deterministic(networks.encode(scaling(stored)))))
