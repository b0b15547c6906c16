"""Classification losses: one value per example."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ae_jax.errors import InvalidInput


def categorical_nll(logits: Float[Array, "batch classes"], target: Int[Array, "..."]) -> Float[Array, " batch"]:
    r"""Negative log-likelihood of each example's class under a softmax of the logits, in nats: the cross-entropy.

    .. math:: \log \sum_c e^{l_c} - l_y

    Computed from logits, so that it is finite for every finite logit.

    Args:
      logits: unnormalised log-probabilities, ``[batch, classes]``.
      target: number of the class of each example, from 0 to ``classes - 1``, ``[batch]``; of another the loss is NaN.

    Returns:
      The negative log-likelihood of each example, ``[batch]``, in nats.

    Raises:
      InvalidInput: not one class for each example.

    Example:
      >>> categorical_nll(jnp.array([[0.0, 0.0], [0.0, 2.0]]), jnp.array([0, 1])).round(3)
      Array([0.693, 0.127], dtype=float32)

    References:
      Bishop, *Pattern recognition and machine learning*, 2006, eq. 4.108.
    """
    if target.shape != logits.shape[:1]:
        raise InvalidInput(
            f"categorical_nll was given classes of shape {target.shape} for logits of shape {logits.shape}: expected "
            "one class for each example."
        )
    nll = -jnp.take_along_axis(jax.nn.log_softmax(logits), target[:, None], axis=-1, mode="fill")[:, 0]
    return jnp.where(target < 0, jnp.nan, nll)
