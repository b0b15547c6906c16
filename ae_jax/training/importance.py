"""Sums over importance-weighted latents of each example."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from ae_jax.data import Scaling
from ae_jax.models import Autoencoder
from ae_jax.networks.functional import pure_encoder
from ae_jax.objectives import mark_missing
from ae_jax.objectives.elbo import nll_of_latents
from ae_jax.types import Batch

_EXAMPLES = 8
"""Number of examples whose weights are computed at a time; divides every batch of :meth:`ae_jax.Run.apply`."""
_CHUNK = 128
"""Number of latents of an example that are decoded at a time."""


def batch_of(autoencoder: Autoencoder, model: Any, x: Any) -> Batch:
    """Examples in model units as a batch, with what is observed where values may be missing."""
    batch = Batch(x, model.condition)
    return mark_missing(batch) if autoencoder.objective.uses_observed else batch


@dataclasses.dataclass(frozen=True)
class WeightedLatents:
    """Base of what gives :meth:`ae_jax.Run.apply` a result of each example by its latents, chunk by chunk."""

    samples: int

    def __call__(self, autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any, keys: Any) -> Any:
        batch, encode = batch_of(autoencoder, model, scaling(stored)), pure_encoder(model)

        def of_one(example: tuple[Batch, Any]) -> Any:
            one, key = jax.tree.map(lambda leaf: leaf[None], example[0]), example[1]
            return self.of_example(autoencoder, model, encode(one.x, one.condition), one, key)

        return jax.lax.map(of_one, (batch, keys), batch_size=_EXAMPLES)

    def of_example(self, autoencoder: Autoencoder, model: Any, posterior: Any, one: Batch, key: Any) -> Any:
        """The result of one example."""
        raise NotImplementedError

    @property
    def starts(self) -> Any:
        """The first latent of each chunk."""
        return jnp.arange(0, self.samples, min(_CHUNK, self.samples))

    def draw(
        self, autoencoder: Autoencoder, model: Any, posterior: Any, one: Batch, keys: tuple[Any, Any]
    ) -> tuple[Any, Any, Any]:
        """Keys, latents and log-weights of a chunk, by the key of the example and the chunk's first latent."""
        positions = keys[1] + jnp.arange(min(_CHUNK, self.samples))
        own = jax.vmap(lambda position: jax.random.fold_in(keys[0], position))(positions)
        latents, densities = jax.vmap(posterior.sample_and_log_prob)(own)
        nll = nll_of_latents(autoencoder.objective.likelihood, model, latents, one)
        log_weights = (jax.vmap(model.prior.log_prob)(latents) - densities - nll)[:, 0]
        return own, latents, jnp.where(positions < self.samples, log_weights, -jnp.inf)
