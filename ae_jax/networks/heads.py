"""The last part of an encoder: from the outputs of its layers to a code or a posterior."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ae_jax._checks import require_part
from ae_jax.distributions import DiagonalGaussian, PosteriorBuilder, log_scale_of
from ae_jax.errors import InvalidInput
from ae_jax.networks.activations import apply
from ae_jax.networks.functional import Code
from ae_jax.networks.k_sparse import keep_top_k


def require_posterior(config: Any) -> None:
    """Checks the family of posteriors that a builder of networks names.

    Raises:
      InvalidInput: no such family, or one beside a deterministic encoder or an activation of the code.
    """
    if config.posterior is None:
        return
    require_part(config, PosteriorBuilder, "a posterior, such as FullCovariance()", posterior=config.posterior)
    if not config.stochastic or config.code_activation != "linear":
        raise InvalidInput(
            f"{type(config).__name__} was given a posterior and stochastic={config.stochastic}, "
            f"code_activation={config.code_activation!r}: expected stochastic=True and 'linear' beside it."
        )


def head(config: Any, units: int, rngs: nnx.Rngs) -> tuple[nnx.Module | None, int]:
    """The module that makes a posterior of another family, and the number of outputs that the layers give."""
    if config.posterior is None:
        return None, (2 if config.stochastic else 1) * units
    module = config.posterior(units, rngs)
    return module, module.inputs


def code_of(networks: Any, outputs: Float[Array, "batch *outputs"]) -> Code:
    """The code or posterior that the outputs of an encoder's layers stand for."""
    config = networks.config
    if networks.posterior is not None:
        return networks.posterior(outputs)
    if not config.stochastic:
        return keep_top_k(config, apply(config.code_activation, outputs))
    mean, log_scale = jnp.split(outputs, 2, axis=-1)
    return DiagonalGaussian(apply(config.code_activation, mean), log_scale_of(log_scale))
