"""Imputation of missing values by importance sampling."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax.data import Scaling
from ae_jax.models import Autoencoder
from ae_jax.networks.functional import pure_encoder
from ae_jax.objectives import mark_missing
from ae_jax.objectives.elbo import nll_of_latents
from ae_jax.types import Batch

_CHUNK, _EXAMPLES = 128, 8
"""Number of latents of an example, and of examples, that are decoded at a time."""


class Imputation(NamedTuple):
    """Data whose missing values are filled in.

    Attributes:
      mean: by their expectation, ``[n, *shape]``.
      draws: by draws from their distribution, ``[imputations, n, *shape]``.
    """

    mean: np.ndarray
    draws: np.ndarray


def batch_of(autoencoder: Autoencoder, model: Any, x: Any) -> Batch:
    """Examples in model units as a batch, with what is observed where values may be missing."""
    batch = Batch(x, model.condition)
    return mark_missing(batch) if autoencoder.objective.uses_observed else batch


@dataclasses.dataclass(frozen=True)
class Imputer:
    """Gives :meth:`ae_jax.Run.apply` the expectation and draws of each example given its observed values."""

    samples: int
    imputations: int

    def __call__(self, autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any, keys: Any) -> Any:
        batch, encode = batch_of(autoencoder, model, scaling(stored)), pure_encoder(model)

        def of_one(example: tuple[Batch, Any]) -> Any:
            one, key = jax.tree.map(lambda leaf: leaf[None], example[0]), example[1]
            return self.of_example(autoencoder, model, encode(one.x, one.condition), one, key)

        return jax.lax.map(of_one, (batch, keys), batch_size=_EXAMPLES)

    def of_example(self, autoencoder: Autoencoder, model: Any, posterior: Any, one: Batch, key: Any) -> Any:
        """The weighted mean of decoded latents, and for each draw the latent of the greatest log-weight plus Gumbel."""
        likelihood, chunk = autoencoder.objective.likelihood, min(_CHUNK, self.samples)

        def add(carry: Any, start: Any) -> tuple[Any, None]:
            largest, total, mean, score, chosen = carry
            positions = start + jnp.arange(chunk)
            own = jax.vmap(lambda position: jax.random.fold_in(key, position))(positions)
            latents, densities = jax.vmap(posterior.sample_and_log_prob)(own)
            nll = nll_of_latents(likelihood, model, latents, one)
            log_weights = (jax.vmap(model.prior.log_prob)(latents) - densities - nll)[:, 0]
            log_weights = jnp.where(positions < self.samples, log_weights, -jnp.inf)
            condition = None if one.condition is None else jnp.repeat(one.condition, chunk, axis=0)
            outputs = model.decode(latents[:, 0], condition)
            new = jnp.maximum(largest, jnp.max(log_weights))
            weights, shrink = jnp.exp(log_weights - new), jnp.exp(largest - new)
            mean = shrink * mean + jnp.tensordot(weights, likelihood.mean(outputs), 1)
            gumbel = jax.vmap(lambda k: jax.random.gumbel(jax.random.fold_in(k, 1), (self.imputations,)))(own)
            scores = log_weights[:, None] + gumbel
            best = jnp.argmax(scores, axis=0)
            better = scores[best, jnp.arange(self.imputations)] > score
            score = jnp.where(better, jnp.max(scores, axis=0), score)
            shape = (-1, *(1,) * (outputs.ndim - 1))
            chosen = jnp.where(better.reshape(shape), outputs[best], chosen)
            return (new, shrink * total + weights.sum(), mean, score, chosen), None

        nothing = jnp.zeros((), one.x.dtype)
        outputs = jax.eval_shape(lambda z: model.decode(z, one.condition), posterior.mean)
        empty = jnp.zeros((self.imputations, *outputs.shape[1:]), outputs.dtype)
        start = (nothing - jnp.inf, nothing, jnp.zeros_like(one.x[0]), jnp.full(self.imputations, -jnp.inf), empty)
        _, total, mean, _, chosen = jax.lax.scan(add, start, jnp.arange(0, self.samples, chunk))[0]
        drawn: Any = likelihood  # a distribution, as missing values ask for
        return mean / total, drawn.sample(jax.random.fold_in(key, self.samples), chosen)
