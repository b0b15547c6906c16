"""How probable does a variational autoencoder find the data?"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ae_jax._checks import positive_whole
from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder
from ae_jax.objectives import SquaredError
from ae_jax.objectives.elbo import log_ratios, nll_of_latents, sample_latents
from ae_jax.training import Run
from ae_jax.types import Batch

_SAMPLES = 16
_EXAMPLES = 8
"""How many examples are weighed at a time; divides every batch of :meth:`ae_jax.Run.apply`."""


class LogLikelihood(NamedTuple):
    """Estimated log-likelihoods and how far to trust them, each ``[members, n]``, or ``[n]`` of a single run.

    Attributes:
      log_likelihood: of each example, in nats.
      standard_error: of it, in nats; NaN of one sample.
      effective_samples: how many of equal weight the samples are worth, from 1 to their number.
    """

    log_likelihood: Float[np.ndarray, "*members n"]
    standard_error: Float[np.ndarray, "*members n"]
    effective_samples: Float[np.ndarray, "*members n"]


def negative_elbo(run: Run, x: Any, *, seed: int = 0) -> dict[str, np.ndarray]:
    r"""Negative evidence lower bound of each example and its two parts, with beta = 1 whatever was trained with.

    .. math:: \mathbb{E}_{q(z|x)} [-\log p(x|z)] + \mathrm{KL}(q(z|x) \| p(z))

    The expectation is a mean over 16 latents whose keys depend on the seed and the example's position alone. Examples
    are taken as they are, also where training augmented them, as by ``augmentation=Binarisation()``.

    Args:
      run: a trained population of variational autoencoders.
      x: examples in the units that it was trained on, ``[n, *shape]``.
      seed: of the latents.

    Returns:
      ``negative_elbo``, ``negative_log_likelihood`` and ``kl``, each ``[members, n]`` or ``[n]``, in nats.

    Raises:
      InvalidInput: the autoencoder is not variational; another shape or range than trained on, no numbers, NaN or
        infinity.

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, eq. 3.
    """
    require_variational(run.autoencoder)
    stored = run.data.raw(x)
    return run.apply(elbo_of_batch, stored, jax.random.split(jax.random.key(seed), len(stored)))


def log_likelihood(run: Run, x: Any, *, samples: int = 5000, seed: int = 0, chunk: int = 128) -> LogLikelihood:
    r"""Marginal log-likelihood of each example, by importance sampling from the posterior.

    .. math:: \log p(x) \approx \log \frac{1}{S} \sum_s w_s, \quad w_s = \frac{p(x|z_s) p(z_s)}{q(z_s|x)},
       \quad z_s \sim q(z|x), \quad p(z) = \mathcal{N}(0, I)

    In expectation a lower bound, the ELBO with one sample, which rises to log p(x) as samples are added. The latents'
    keys depend on the seed, the example's position and the sample's alone, so that more samples add to fewer. The
    standard error is the delta method's, the weights' standard deviation over their mean and :math:`\sqrt S`; it, too,
    is of little worth where few effective samples are left.

    Args:
      run: a trained population of variational autoencoders.
      x: examples in the units that it was trained on, ``[n, *shape]``; under a Bernoulli likelihood the name is earned
        by binary data alone.
      samples: S; 5,000 are usual.
      seed: of the latents.
      chunk: how many latents of an example are decoded at a time; memory grows with it, the result does not change.

    Returns:
      Log-likelihoods in nats, their standard errors, and effective sample sizes :math:`(\sum w)^2 / \sum w^2`.

    Raises:
      InvalidInput: the autoencoder is not variational, or its squared error is no likelihood; another shape or range
        than trained on, no numbers, NaN or infinity; samples or chunk are no whole numbers above zero.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.variational(code=2, hidden=()), data, epochs=1)
      >>> log_likelihood(run, data.test.x[:3], samples=10).log_likelihood.shape
      (3,)

    References:
      Burda et al., *Importance weighted autoencoders*, ICLR 2016, eq. 8 and section 5 (5,000 samples);
      Kong, *A note on importance sampling using standardized weights*, 1992 (effective sample size).
    """
    require_variational(run.autoencoder)
    if isinstance(run.autoencoder.objective.likelihood, SquaredError):
        raise InvalidInput(
            f"{run.name} was trained by SquaredError, which is no normalised likelihood: expected one, such as "
            "GaussianLikelihood."
        )
    samples = positive_whole("log_likelihood", "samples", samples)
    chunk = min(positive_whole("log_likelihood", "chunk", chunk), samples)
    stored = run.data.raw(x)
    function = _weights_of_batch(samples, chunk)
    largest, total, squares = run.apply(function, stored, jax.random.split(jax.random.key(seed), len(stored)))
    effective = np.clip(np.square(total) / squares, 1.0, samples)
    with np.errstate(invalid="ignore"):  # one sample has no spread
        error = np.sqrt((samples / effective - 1.0) / np.float32(samples - 1))
    return LogLikelihood(largest + np.log(total / samples), error, effective)


def require_variational(autoencoder: Autoencoder) -> None:
    """Raises a sentence where the objective bounds no evidence."""
    if "prior" not in autoencoder.objective.parts:
        raise InvalidInput(f"{autoencoder.name} has no evidence lower bound: expected a variational autoencoder.")


def elbo_of_batch(
    autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any, keys: Any, *, samples: int = _SAMPLES
) -> Any:
    """The bound and its parts at each example of a batch, each with a key of its own, for :meth:`ae_jax.Run.apply`."""

    def of_one(key: Any, one: Batch) -> dict[str, Any]:
        one = jax.tree.map(lambda values: values[None], one)
        posterior = model.encode(one.x, one.condition)
        latents = sample_latents(key, posterior, samples)
        nll = jnp.mean(nll_of_latents(autoencoder.objective.likelihood, model, latents, one))
        kl = model.prior.kl(posterior)
        kl = jnp.mean(log_ratios(model.prior, posterior, latents) if kl is None else kl)
        return {"negative_elbo": nll + kl, "negative_log_likelihood": nll, "kl": kl}

    return jax.vmap(of_one)(keys, Batch(scaling(stored), model.condition))


@lru_cache(maxsize=32)
def _weights_of_batch(samples: int, chunk: int) -> Callable[..., Any]:
    """What gives :meth:`ae_jax.Run.apply` each example's :func:`_running_weights`."""

    def of_batch(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any, keys: Any) -> Any:
        batch = Batch(scaling(stored), model.condition)

        def of_one(example: tuple[Any, Batch, Any]) -> Any:
            posterior, one, key = example
            posterior, one = jax.tree.map(lambda leaf: leaf[None], (posterior, one))
            return _running_weights(autoencoder, model, posterior, one, key, samples, chunk)

        return jax.lax.map(of_one, (model.encode(batch.x), batch, keys), batch_size=_EXAMPLES)

    return of_batch


def _running_weights(
    autoencoder: Autoencoder, model: Any, posterior: Any, one: Batch, key: Any, samples: int, chunk: int
) -> tuple[Any, Any, Any]:
    """One example's largest log-weight and, relative to that weight, the sums of weights and of their squares."""

    def add(carry: tuple[Any, Any, Any], start: Any) -> tuple[tuple[Any, Any, Any], None]:
        positions = start + jnp.arange(chunk)
        latents = jax.vmap(lambda position: posterior.sample(jax.random.fold_in(key, position)))(positions)
        nll = nll_of_latents(autoencoder.objective.likelihood, model, latents, one)
        log_weights = jnp.where(
            positions < samples, (-nll - log_ratios(model.prior, posterior, latents))[:, 0], -jnp.inf
        )
        largest, total, squares = carry
        new = jnp.maximum(largest, jnp.max(log_weights))
        shrink, weights = jnp.exp(largest - new), jnp.exp(log_weights - new)
        return (new, shrink * total + weights.sum(), shrink**2 * squares + jnp.square(weights).sum()), None

    nothing = jnp.zeros((), one.x.dtype)
    return jax.lax.scan(add, (nothing - jnp.inf, nothing, nothing), jnp.arange(0, samples, chunk))[0]
