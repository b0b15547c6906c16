"""Sensitivity of the code to the input: norm and singular values of the encoder's Jacobian."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ae_jax.data import Scaling
from ae_jax.models import Autoencoder
from ae_jax.networks import code_shape, deterministic
from ae_jax.networks.functional import pure_encoder
from ae_jax.objectives.penalties import squared_jacobian_norm
from ae_jax.training import Run
from ae_jax.types import Batch


def jacobian_norm(run: Run, x: Any, condition: Any = None) -> np.ndarray:
    """Frobenius norm of the encoder's Jacobian at each example, exact; of a stochastic encoder, of the mean's.

    Args:
      run: a trained population.
      x: examples in the units that it was trained on, ``[n, *shape]``.
      condition: as of :meth:`ae_jax.Run.encode`.

    Returns:
      The norms, ``[members, n]``, or ``[n]`` of a single run, in units of code over model units of data.

    Raises:
      InvalidInput: another shape or range than trained on, no numbers, NaN or infinity.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), data, epochs=1)
      >>> jacobian_norm(run, data.test.x).shape
      (359,)

    References:
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011, Table 1.
    """
    return run.apply(norm_of_batch, run.data.raw(x), condition=condition)


def norm_of_batch(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any) -> Any:
    """The norm at each example of a batch, for :meth:`ae_jax.Run.apply`."""
    return jnp.sqrt(squared_jacobian_norm(model, Batch(scaling(stored), model.condition)))


def jacobian_spectrum(run: Run, x: Any, condition: Any = None) -> np.ndarray:
    r"""Singular values of the encoder's Jacobian at each example, the largest first; of a stochastic encoder's mean.

    .. math:: \frac{\partial h(x)}{\partial x} = U \, \mathrm{diag}(\sigma) \, V^\top, \quad \|J\|_F^2 = \sum \sigma_i^2

    A code that is sensitive to few directions of the input only, those of the manifold that the data lie on, has few
    large singular values. Each example costs a Jacobian and a decomposition. Args and Raises are those of
    :func:`jacobian_norm`.

    Returns:
      The values, ``[members, n, min(features, code)]``, or ``[n, min(features, code)]`` of a single run, in units of
      code over model units of data.

    References:
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011, figure 3.
    """
    return run.apply(_spectrum_of_batch, run.data.raw(x), condition=condition)


def _spectrum_of_batch(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any) -> Any:
    encoder, size = pure_encoder(model), math.prod(code_shape(autoencoder.networks))

    def of_one(one: Batch) -> Array:
        given = None if one.condition is None else one.condition[None]

        def encode(features: Array) -> Array:
            return deterministic(encoder(features.reshape(1, *one.x.shape), given)).ravel()

        narrower = jax.jacrev if size < one.x.size else jax.jacfwd
        return jnp.linalg.svd(narrower(encode)(one.x.ravel()), compute_uv=False)

    # One by one, as a Jacobian is as large as a thousand codes.
    return jax.lax.map(of_one, Batch(scaling(stored), model.condition))
