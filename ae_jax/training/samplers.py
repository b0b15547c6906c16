"""Samplers that are fitted to the codes of a trained member: each is a run whose data are codes."""

import dataclasses
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from ae_jax._checks import size
from ae_jax.components import component, static
from ae_jax.data import Dataset, Scaling, from_arrays
from ae_jax.distributions import FullGaussian
from ae_jax.errors import InvalidInput, require_known
from ae_jax.models import Autoencoder, sigma
from ae_jax.networks import PartBuilder
from ae_jax.objectives import Likelihood, Objective, SquaredError
from ae_jax.priors import FlowPrior, UniformSphere
from ae_jax.training.fit import fit, untrained
from ae_jax.training.run import Run
from ae_jax.types import Batch, Key, Metrics, Shape

_COMPONENTS = 10
_MOST_UNITS = 1024
"""Of a full covariance; ten of them take 84 MB in double precision."""

_EPOCHS = {"epochs": 300, "patience": 30, "batch_size": 256}


def fit_sampler(name: str, codes: Float[np.ndarray, "examples *code"], seed: int) -> Run:
    """Fits a distribution to codes, as a run that samples flat codes, ``[n, units]``.

    Args:
      name: in :data:`SAMPLERS`.
      codes: of the training split.
      seed: of the fit, and of the latents that the run draws.

    Raises:
      InvalidInput: an unknown name; codes that are not finite, too few or of a shape that the sampler cannot take.
    """
    require_sampler(name)
    flat = np.asarray(codes, np.float32).reshape(len(codes), -1)
    if not np.isfinite(flat).all():
        raise InvalidInput(
            f"the sampler {name} was given codes with NaN or infinity: expected a member that converged."
        )
    return SAMPLERS[name](flat, seed)


def require_sampler(name: str) -> None:
    """Raises InvalidInput for a name that is none of :data:`SAMPLERS`."""
    require_known("sampler", name, SAMPLERS)


def _mixture(components: int) -> Callable[[np.ndarray, int], Run]:
    """Fits a mixture of Gaussians of full covariance by expectation-maximisation."""

    def fitted(codes: np.ndarray, seed: int) -> Run:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        least, (count, units) = max(components, 2), codes.shape
        if count < least:
            raise InvalidInput(
                f"a mixture of {components} components was given the codes of {count} examples: expected at least "
                f"{least}; train on more, or take another sampler."
            )
        if units > _MOST_UNITS:
            raise InvalidInput(
                f"a mixture of full covariances was given codes of {units:,} numbers: expected at most "
                f"{_MOST_UNITS:,}; take a smaller code, or the sampler maf."
            )
        name = "gmm" if components > 1 else "normal"
        density = _density(name, codes, FullMixture(components=components))
        start = untrained(density, _codes(codes, "standard"), seeds=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of equal codes, or a likelihood that still rises
            mixture: Any = GaussianMixture(components, max_iter=500, random_state=seed)
            mixture.fit(np.asarray(start.scaling(codes), np.float64))
        factors, logits = np.linalg.cholesky(mixture.covariances_), np.log(mixture.weights_)
        arrays = {"factors": factors, "logits": logits, "means": mixture.means_}
        params = {part: jnp.asarray(values[None], jnp.float32) for part, values in arrays.items()}
        return dataclasses.replace(start, params={"prior": params})

    return fitted


def _hypersphere(codes: np.ndarray, seed: int) -> Run:
    """Every direction, at the mean distance of the codes from the origin."""
    if codes.shape[1] < 2:
        raise InvalidInput("the sampler hypersphere was given codes of one number: expected two or more; take gmm.")
    radius = float(np.linalg.norm(codes, axis=1).mean())
    if radius == 0:
        raise InvalidInput("the sampler hypersphere was given codes that are all zero: expected codes that vary.")
    return untrained(_density("hypersphere", codes, UniformSphere()), _codes(codes, Scaling(scale=radius)), seeds=seed)


def _maf(codes: np.ndarray, seed: int) -> Run:
    """A masked autoregressive flow, trained by maximum likelihood."""
    prior = FlowPrior(kind="autoregressive", steps=5, hidden=(128,))
    return fit(_density("maf", codes, prior), _codes(codes, "standard", 0.1), seeds=seed, **_settings(codes))


def _two_stage(codes: np.ndarray, seed: int) -> Run:
    """A second variational autoencoder, whose latents are as many as the units of the code."""
    second = dataclasses.replace(sigma(code=codes.shape[1], hidden=(256, 256), learning_rate=1e-3), name="two-stage")
    return fit(second, _codes(codes, "standard", 0.1), seeds=seed, **_settings(codes))


SAMPLERS: Mapping[str, Callable[[np.ndarray, int], Run]] = {
    "normal": _mixture(1),
    "gmm": _mixture(_COMPONENTS),
    "hypersphere": _hypersphere,
    "maf": _maf,
    "two-stage": _two_stage,
}
"""Samplers by name; each is given flat codes of the training split and a seed."""


def _codes(codes: np.ndarray, scaling: Scaling | str, validation: float = 0.0) -> Dataset:
    if validation and len(codes) < 20:
        raise InvalidInput(
            f"a sampler that is trained was given the codes of {len(codes)} examples: expected at least 20; train on "
            "more, or take the sampler normal."
        )
    return from_arrays(codes, name="codes", validation=validation, test=0.0, scaling=scaling)


def _settings(codes: np.ndarray) -> dict[str, Any]:
    return _EPOCHS | {"batch_size": min(_EPOCHS["batch_size"], len(codes) // 2)}


def _density(name: str, codes: np.ndarray, prior: PartBuilder) -> Autoencoder:
    return Autoencoder(name=name, networks=Unchanged(code=codes.shape[1]), objective=CodeDensity(prior=prior))


@component
class Unchanged:
    """Networks whose code is the example.

    Attributes:
      code: number of features.
    """

    code: int = static()

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> "UnchangedNetworks":
        return UnchangedNetworks()


class UnchangedNetworks(nnx.Module):
    """The networks that :class:`Unchanged` describes."""

    def encode(self, x: Array) -> Array:
        return x

    def decode(self, z: Array) -> Array:
        return z


@component
class CodeDensity(Objective):
    r"""Negative log-density of examples under the part ``prior``, in nats: maximum likelihood.

    .. math:: -\log p(x)

    Attributes:
      prior: p, :mod:`ae_jax.priors`.
    """

    likelihood: Likelihood = SquaredError()
    prior: PartBuilder = UniformSphere()

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        return {"prior": self.prior}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        loss = -jnp.mean(model.prior.log_prob(batch.x))
        return loss, {"code_nll": loss}


@component
class FullMixture:
    r"""A mixture of Gaussians of any covariance.

    .. math:: p(z) = \sum_k \pi_k \, \mathcal{N}(z; m_k, L_k L_k^\top)

    Attributes:
      components: K.
    """

    components: int = static(default=_COMPONENTS)

    def __post_init__(self) -> None:
        size(self, "components", self.components)

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "FullMixturePrior":
        return FullMixturePrior(self.components, math.prod(code))


class FullMixturePrior(nnx.Module):
    """The prior that :class:`FullMixture` describes, for flat codes; every component starts as the standard normal."""

    def __init__(self, components: int, units: int):
        self.factors = nnx.Param(jnp.tile(jnp.eye(units)[None], (components, 1, 1)))
        self.logits = nnx.Param(jnp.zeros(components))
        self.means = nnx.Param(jnp.zeros((components, units)))

    def log_prob(self, z: Float[Array, "batch units"]) -> Float[Array, " batch"]:
        """Log-density of each latent, in nats."""
        each = FullGaussian(self.means[...], self.factors[...])
        densities = jax.vmap(lambda one: each.log_prob(jnp.broadcast_to(one[None], each.mean.shape)))(z)
        return jax.nn.logsumexp(densities + jax.nn.log_softmax(self.logits[...])[None], axis=1)

    def sample(self, key: Key, n: int) -> Float[Array, "{n} units"]:
        """Draws n latents, each of a component by the weights."""
        choice_key, noise_key = jax.random.split(key)
        chosen = jax.random.categorical(choice_key, self.logits[...], shape=(n,))
        noise = jax.random.normal(noise_key, (n, self.means.shape[1]))
        moved = jnp.einsum("kij,nj->nki", self.factors[...], noise)  # not a factor for each draw
        return jnp.take_along_axis(moved, chosen[:, None, None], axis=1)[:, 0] + self.means[...][chosen]

    def kl(self, posterior: Any) -> None:
        """None: the divergence has no closed form."""
