"""Imputation of missing values by importance sampling."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax.models import Autoencoder
from ae_jax.training.importance import WeightedLatents
from ae_jax.types import Batch


class Imputation(NamedTuple):
    """Data whose missing values are filled in.

    Attributes:
      mean: by their expectation, ``[n, *shape]``.
      draws: by draws from their distribution, ``[imputations, n, *shape]``.
    """

    mean: np.ndarray
    draws: np.ndarray


@dataclasses.dataclass(frozen=True)
class Imputer(WeightedLatents):
    """Gives :meth:`ae_jax.Run.apply` the expectation and draws of each example given its observed values."""

    imputations: int

    def of_example(self, autoencoder: Autoencoder, model: Any, posterior: Any, one: Batch, key: Any) -> Any:
        """The weighted mean of decoded latents, and for each draw the latent of the greatest log-weight plus Gumbel."""
        likelihood = autoencoder.objective.likelihood

        def add(carry: Any, start: Any) -> tuple[Any, None]:
            largest, total, mean, score, chosen = carry
            own, latents, log_weights = self.draw(autoencoder, model, posterior, one, (key, start))
            condition = None if one.condition is None else jnp.repeat(one.condition, len(own), axis=0)
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
        _, total, mean, _, chosen = jax.lax.scan(add, start, self.starts)[0]
        drawn: Any = likelihood  # a distribution, as missing values ask for
        return mean / total, drawn.sample(jax.random.fold_in(key, self.samples), chosen)
