"""Sensitivity of the code to the input: norm and singular values of the encoder's Jacobian."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

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


def relative_norms(norms: Float[np.ndarray, " n"], codes: Float[np.ndarray, "n units"]) -> Float[np.ndarray, " n"]:
    r"""Norm of the Jacobian at each example by the code's standard deviation, which scaling the code leaves as it is.

    .. math:: \frac{\|J(x)\|_F}{\sigma}, \quad \sigma^2 = \sum_j \mathrm{Var}_x[z_j]

    White noise of standard deviation s added to the input moves the code by about s times this ratio of its own spread.
    To each value is added :math:`\frac{1}{2} (1 - \|z - \bar z\|^2 / \sigma^2)` of their mean, which adds up to
    nothing and makes their variance over examples that of the ratio, sigma being estimated from the same examples.

    Args:
      norms: of the Jacobian at each example, ``[n]``.
      codes: of the examples, ``[n, units]``.

    Returns:
      Values of each example, ``[n]``, in one over model units of data; infinite or NaN of a code that is constant.

    Example:
      >>> relative_norms(np.array([2.0, 2.0]), np.array([[0.0], [4.0]]))
      array([1., 1.])
    """
    squares = np.square(codes - codes.mean(axis=0, dtype=np.float64)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = norms / np.sqrt(squares.mean())
        return ratios + ratios.mean() * (1.0 - squares / squares.mean()) / 2.0


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
