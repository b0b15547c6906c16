"""The named autoencoders, one file each: a function from hyper-parameters to networks and an objective.

Arguments that a docstring gives "as of" another autoencoder mean the same, and have the same default unless it says
otherwise.
"""

from collections.abc import Callable

from ae_jax.errors import require_known
from ae_jax.models.aae import aae
from ae_jax.models.autoencoder import Autoencoder
from ae_jax.models.beta_tc import beta_tc
from ae_jax.models.capacity import capacity
from ae_jax.models.categorical import categorical
from ae_jax.models.conditional import conditional
from ae_jax.models.contractive import contractive
from ae_jax.models.convolutional import convolutional
from ae_jax.models.denoising import denoising
from ae_jax.models.dip import dip
from ae_jax.models.factor import factor
from ae_jax.models.flow_prior import flow_prior
from ae_jax.models.fsq import fsq
from ae_jax.models.full_covariance import full_covariance
from ae_jax.models.iaf import iaf
from ae_jax.models.importance_bounds import combined_importance, multiple_importance, partial_importance
from ae_jax.models.importance_weighted import importance_weighted
from ae_jax.models.info import info
from ae_jax.models.joint import joint
from ae_jax.models.lfq import lfq
from ae_jax.models.missing import missing
from ae_jax.models.mixture import mixture
from ae_jax.models.planar import planar
from ae_jax.models.rae import rae
from ae_jax.models.residual_vq import residual_vq
from ae_jax.models.sigma import sigma
from ae_jax.models.sim_vq import sim_vq
from ae_jax.models.sparse import sparse
from ae_jax.models.spherical import spherical
from ae_jax.models.swae import swae
from ae_jax.models.top_k import top_k
from ae_jax.models.undercomplete import undercomplete
from ae_jax.models.vaegan import vaegan
from ae_jax.models.vamp import vamp
from ae_jax.models.variational import variational
from ae_jax.models.vq import vq
from ae_jax.models.wae import wae
from ae_jax.models.wae_gan import wae_gan
from ae_jax.public import public

GROUPS: dict[str, tuple[Callable[..., Autoencoder], ...]] = {
    "basic": (undercomplete, sparse, contractive, denoising, convolutional, variational, conditional),
    "prior": (mixture, vamp, flow_prior),
    "posterior": (full_covariance, planar, iaf, spherical),
    "bound": (importance_weighted, multiple_importance, partial_importance, combined_importance, sigma, missing),
    "penalty": (beta_tc, dip, info, capacity, wae, swae, rae),
    "code": (categorical, joint, vq, residual_vq, sim_vq, fsq, lfq, top_k),
    "game": (factor, aae, wae_gan, vaegan),
}
"""The named autoencoders by what they change of the basic ones."""

NAMED: dict[str, Callable[..., Autoencoder]] = {
    function.__name__: function for group in GROUPS.values() for function in group
}
"""The named autoencoders by their names."""


@public
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
