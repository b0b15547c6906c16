"""How probable does a variational autoencoder find the data?"""

from typing import Any

import jax
import numpy as np

from ae_jax.autoencoders import Autoencoder
from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput
from ae_jax.objectives import ELBO
from ae_jax.objectives.elbo import expected_nll
from ae_jax.training import Run

_SAMPLES = 16


def negative_elbo(run: Run, x: Any, *, seed: int = 0) -> dict[str, np.ndarray]:
    r"""Negative evidence lower bound of each example and its two parts, with beta = 1 whatever was trained with.

    .. math:: \mathbb{E}_{q(z|x)} [-\log p(x|z)] + \mathrm{KL}(q(z|x) \| p(z))

    The expectation is a mean over 16 latents whose keys depend on the seed and the example's position alone.

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
    if not isinstance(run.autoencoder.objective, ELBO):
        raise InvalidInput(f"{run.name} has no evidence lower bound: expected a variational autoencoder.")
    stored = run.data.stored(x)
    return run.apply(_elbo_of_batch, stored, jax.random.split(jax.random.key(seed), len(stored)))


def _elbo_of_batch(autoencoder: Autoencoder, networks: Any, scaling: Scaling, stored: Any, keys: Any) -> Any:
    def of_one(x: Any, key: Any) -> dict[str, Any]:
        posterior = networks.encode(x[None])
        likelihood = autoencoder.objective.likelihood
        nll = expected_nll(likelihood, networks, key, posterior, x[None], samples=_SAMPLES)[0]
        kl = posterior.kl()[0]
        return {"negative_elbo": nll + kl, "negative_log_likelihood": nll, "kl": kl}

    return jax.vmap(of_one)(scaling(stored), keys)
