"""Log-likelihoods under autoencoders with a prior: importance-sampled estimates and the evidence lower bound."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ae_jax._checks import positive_whole
from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder
from ae_jax.networks.functional import pure_encoder
from ae_jax.objectives import DISCRETE, NO_DENSITY
from ae_jax.objectives.elbo import nll_of_latents, sample_with_log_ratios
from ae_jax.training import Run
from ae_jax.training.importance import WeightedLatents, batch_of
from ae_jax.types import Batch

_SAMPLES = 16
_EFFECTIVE = 10
"""Effective sample size below which a standard error is half of the spread or less, as of log-normal weights."""


class LogLikelihood(NamedTuple):
    """Estimated log-likelihoods and their precision, each ``[members, n]``, or ``[n]`` of a single run.

    Attributes:
      log_likelihood: of each example, in nats.
      standard_error: of it, in nats; NaN where fewer than 10 effective samples would make it half as large as it is.
      effective_samples: effective sample size, from 1 to the number of samples.
    """

    log_likelihood: Float[np.ndarray, "*members n"]
    standard_error: Float[np.ndarray, "*members n"]
    effective_samples: Float[np.ndarray, "*members n"]


def negative_elbo(run: Run, x: Any, *, condition: Any = None, seed: int = 0) -> dict[str, np.ndarray]:
    r"""Negative evidence lower bound of each example and its two parts, always with beta = 1.

    .. math:: \mathbb{E}_{q(z|x)} [-\log p(x|z)] + \mathrm{KL}(q(z|x) \| p(z))

    The expectation is a mean over 16 latents whose keys depend on the seed and the example's position alone. Examples
    are taken as they are, also where training augmented them, as by ``augmentation=Binarisation()``.

    Args and Raises are those of :func:`log_likelihood`; an error that is no likelihood is no obstacle.

    Returns:
      ``negative_elbo``, ``negative_log_likelihood`` and ``kl``, each ``[members, n]`` or ``[n]``, in nats.

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, eq. 3.
    """
    require_prior(run.autoencoder)
    stored = run.raw(x)
    return run.apply(_bound_of_batch, stored, jax.random.split(jax.random.key(seed), len(stored)), condition=condition)


def log_likelihood(run: Run, x: Any, *, condition: Any = None, samples: int = 5000, seed: int = 0) -> LogLikelihood:
    r"""Marginal log-likelihood of each example, by importance sampling from the posterior.

    .. math:: \log p(x) \approx \log \frac{1}{S} \sum_s w_s, \quad w_s = \frac{p(x|z_s) p(z_s)}{q(z_s|x)},
       \quad z_s \sim q(z|x)

    In expectation a lower bound, the ELBO with one sample, which rises to log p(x) as samples are added. The latents'
    keys depend only on the seed and the positions of the example and the sample. The standard error is that of the
    delta method, :math:`\mathrm{std}(w) / (\bar w \sqrt S)`. Where the effective sample size is below 10 it would be
    too small by half or more, and the estimate too low by nats: take more samples.

    Under a likelihood that is a density, such as a Gaussian, it is that of the data in model units;
    :meth:`ae_jax.data.Scaling.log_determinant` is what that of the stored data has more.

    Args:
      run: a trained population of variational autoencoders.
      x: examples in the units that it was trained on, ``[n, *shape]``; under a Bernoulli likelihood it is a
        likelihood of binary data only.
      samples: S; 5,000 are usual.
      condition: as of :meth:`ae_jax.Run.encode`.
      seed: of the latents.

    Returns:
      Log-likelihoods in nats, their standard errors, and effective sample sizes :math:`(\sum w)^2 / \sum w^2`.

    Raises:
      InvalidInput: the autoencoder has no prior, or its error is no likelihood; another shape or range
        than trained on, no numbers, NaN or infinity; samples is no whole number above zero.

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
    require_prior(run.autoencoder)
    if isinstance(likelihood := run.autoencoder.objective.likelihood, NO_DENSITY):
        raise InvalidInput(
            f"{run.name} was trained by {type(likelihood).__name__}, which is no normalised likelihood: expected one, "
            "such as GaussianLikelihood."
        )
    samples = positive_whole("log_likelihood", "samples", samples)
    stored = run.raw(x)
    keys = jax.random.split(jax.random.key(seed), len(stored))
    largest, total, squares = run.apply(_Weights(samples), stored, keys, condition=condition)
    effective = np.clip(np.square(total) / squares, 1.0, samples)
    with np.errstate(invalid="ignore"):  # one sample has no spread
        error = np.sqrt((samples / effective - 1.0) / np.float32(samples - 1))
    error = np.where(effective < _EFFECTIVE, np.float32(np.nan), error)
    return LogLikelihood(largest + np.log(total / samples), error, effective)


def cautions(run: Run, estimate: LogLikelihood) -> list[str]:
    """Sentences for a reader of estimates: which units they have, and how many of them rest on few samples."""
    messages = []
    determinant = run.scaling.log_determinant(run.shape)
    if not isinstance(run.autoencoder.objective.likelihood, DISCRETE) and determinant:
        messages.append(
            f"Log-likelihoods and bounds are densities in model units: add {determinant:.2f} nats, the log-determinant "
            "of the scaling, for those of the stored data."
        )
    if few := np.mean(estimate.effective_samples < _EFFECTIVE):
        messages.append(
            f"Fewer than {_EFFECTIVE} effective samples stand behind {few:.0%} of the log-likelihoods, which may be "
            "nats too low and have no standard error: take more by ae_jax.evaluation.log_likelihood(samples=...)."
        )
    return messages


def has_prior(autoencoder: Autoencoder) -> bool:
    """Whether the autoencoder has a prior and a posterior over latents, and thus bounds the evidence."""
    known = autoencoder.objective.bounds_evidence
    bounds = getattr(autoencoder.networks, "stochastic", True) if known is None else known
    return bounds and "prior" in autoencoder.objective.parts


def require_prior(autoencoder: Autoencoder) -> None:
    """Raises InvalidInput where the autoencoder has no prior or no posterior."""
    if not has_prior(autoencoder):
        raise InvalidInput(f"{autoencoder.name} has no evidence lower bound: expected a variational autoencoder.")


def bound_of_examples(autoencoder: Autoencoder, model: Any, x: Any, keys: Any, *, samples: int = _SAMPLES) -> Any:
    """The negative bound and its parts at each example of a batch in model units, each with a key of its own."""
    batch, encode = batch_of(autoencoder, model, x), pure_encoder(model)

    def latents_of(one: Batch, key: Any) -> Any:
        one = jax.tree.map(lambda leaf: leaf[None], one)
        latents, ratios = sample_with_log_ratios(key, model.prior, encode(one.x, one.condition), samples)
        return latents[:, 0], ratios[:, 0]

    latents, ratios = jax.vmap(latents_of, out_axes=1)(batch, keys)
    nll = jnp.mean(nll_of_latents(autoencoder.objective.likelihood, model, latents, batch), axis=0)
    kl = model.prior.kl(model.encode(batch.x))
    kl = jnp.mean(ratios, axis=0) if kl is None else kl
    return {"negative_elbo": nll + kl, "negative_log_likelihood": nll, "kl": kl}


def _bound_of_batch(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any, keys: Any) -> Any:
    return bound_of_examples(autoencoder, model, scaling(stored), keys)


class _Weights(WeightedLatents):
    """Gives :meth:`ae_jax.Run.apply` the importance weights of each example's latents, summed."""

    def of_example(
        self, autoencoder: Autoencoder, model: Any, posterior: Any, one: Batch, key: Any
    ) -> tuple[Any, Any, Any]:
        """The largest log-weight of an example and, relative to it, the sums of weights and of their squares."""

        def add(carry: tuple[Any, Any, Any], start: Any) -> tuple[tuple[Any, Any, Any], None]:
            _, _, log_weights = self.draw(autoencoder, model, posterior, one, (key, start))
            largest, total, squares = carry
            new = jnp.maximum(largest, jnp.max(log_weights))
            shrink, weights = jnp.exp(largest - new), jnp.exp(log_weights - new)
            return (new, shrink * total + weights.sum(), shrink**2 * squares + jnp.square(weights).sum()), None

        nothing = jnp.zeros((), one.x.dtype)
        return jax.lax.scan(add, (nothing - jnp.inf, nothing, nothing), self.starts)[0]
