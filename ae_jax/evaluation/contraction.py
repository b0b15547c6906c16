"""How far does a code move when its input moves?"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ae_jax.autoencoders import Autoencoder
from ae_jax.data import Scaling
from ae_jax.objectives.penalties import squared_jacobian_norm
from ae_jax.training import Run


def jacobian_norm(run: Run, x: Any) -> np.ndarray:
    """Frobenius norm of the encoder's Jacobian at each example, exact; of a stochastic encoder, of the mean's.

    Args:
      run: a trained population.
      x: examples in the units that it was trained on, ``[n, *shape]``.

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
    stored = run.data.stored(x)
    return run.apply(norm_of_batch, stored)


def norm_of_batch(autoencoder: Autoencoder, networks: Any, scaling: Scaling, stored: Any) -> Any:
    """The norm at each example of a batch, for :meth:`ae_jax.Run.apply`."""
    return jnp.sqrt(squared_jacobian_norm(networks, scaling(stored)))
