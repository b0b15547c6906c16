"""The named autoencoders, one file each: a function from hyper-parameters to networks and an objective."""

from collections.abc import Callable

from ae_jax.errors import require_known
from ae_jax.models.autoencoder import Autoencoder
from ae_jax.models.combined_importance import combined_importance
from ae_jax.models.conditional import conditional
from ae_jax.models.contractive import contractive
from ae_jax.models.convolutional import convolutional
from ae_jax.models.denoising import denoising
from ae_jax.models.factor import factor
from ae_jax.models.fsq import fsq
from ae_jax.models.importance_weighted import importance_weighted
from ae_jax.models.lfq import lfq
from ae_jax.models.missing import missing
from ae_jax.models.multiple_importance import multiple_importance
from ae_jax.models.partial_importance import partial_importance
from ae_jax.models.residual_vq import residual_vq
from ae_jax.models.sigma import sigma
from ae_jax.models.sim_vq import sim_vq
from ae_jax.models.sparse import sparse
from ae_jax.models.top_k import top_k
from ae_jax.models.undercomplete import undercomplete
from ae_jax.models.vamp import vamp
from ae_jax.models.variational import variational
from ae_jax.models.vq import vq

__all__ = [
    "NAMED",
    "Autoencoder",
    "combined_importance",
    "conditional",
    "contractive",
    "convolutional",
    "denoising",
    "factor",
    "fsq",
    "importance_weighted",
    "lfq",
    "missing",
    "multiple_importance",
    "named",
    "partial_importance",
    "residual_vq",
    "sigma",
    "sim_vq",
    "sparse",
    "top_k",
    "undercomplete",
    "vamp",
    "variational",
    "vq",
]

NAMED: dict[str, Callable[..., Autoencoder]] = {
    function.__name__: function
    for function in (
        undercomplete,
        sparse,
        contractive,
        denoising,
        convolutional,
        variational,
        importance_weighted,
        multiple_importance,
        partial_importance,
        combined_importance,
        sigma,
        missing,
        conditional,
        vamp,
        factor,
        vq,
        residual_vq,
        sim_vq,
        fsq,
        lfq,
        top_k,
    )
}
"""The named autoencoders by their names."""


def named(name: str) -> Callable[..., Autoencoder]:
    """The function that builds the autoencoder of that name.

    Raises:
      InvalidInput: an unknown name; the sentence has the nearest one.

    Example:
      >>> named("sparse")(weight=2.0).name
      'sparse'
    """
    require_known("autoencoder", name, NAMED)
    return NAMED[name]
