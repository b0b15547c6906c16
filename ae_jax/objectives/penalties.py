"""Terms that an objective adds to the reconstruction: components with a name, a weight and a value."""

from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax import losses
from ae_jax._checks import require_inside, require_non_negative, size
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput, require_known
from ae_jax.losses import jacobian
from ae_jax.networks import Code, deterministic
from ae_jax.networks.functional import pure_encoder
from ae_jax.types import Batch, Key, Number, Weight


@runtime_checkable
class Penalty(Protocol):
    """A weighted term: called with the model, a key, the batch as the encoder saw it, and the code.

    It returns one value for each example, ``[batch]``, or one for the whole batch; the objective takes the mean.

    Attributes:
      name: of its term in the metrics.
    """

    name: ClassVar[str]

    @property
    def weight(self) -> Any: ...

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, "..."]: ...


@component
class KLSparsity:
    r"""Keeps each code unit's mean activation over the batch near a target, by :func:`ae_jax.losses.kl_sparsity`.

    .. math:: \sum_j \mathrm{KL}(\rho \| \hat\rho_j), \quad \hat\rho_j = \frac{1}{B} \sum_b h_j(x_b)

    The activation of the code must be a sigmoid.

    Raises:
      InvalidInput: a target outside (0, 1), a negative weight, or (when called) a code of another activation.

    Example:
      >>> KLSparsity(target=0.05, weight=3.0).name
      'kl_sparsity'

    References:
      Ng, *Sparse autoencoder*, CS294A lecture notes, 2011.
    """

    name: ClassVar[str] = "kl_sparsity"
    target: Number = 0.05
    weight: Weight = 3.0

    def __post_init__(self) -> None:
        require_inside(self, 0, 1, target=self.target)
        require_non_negative(self, weight=self.weight)

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, ""]:
        activation = getattr(getattr(model.networks, "config", None), "code_activation", "sigmoid")
        if activation != "sigmoid":
            raise InvalidInput(
                f"KLSparsity was given a {activation} code: expected activations in (0, 1), code_activation='sigmoid'."
            )
        return jnp.sum(losses.kl_sparsity(jnp.mean(deterministic(code), axis=0), self.target))


@component
class L1:
    """Pulls activations to zero by the sum of their absolute values, :func:`ae_jax.losses.l1`.

    Example:
      >>> L1(weight=0.1).name
      'l1'

    References:
      Olshausen and Field, *Emergence of simple-cell receptive field properties*, Nature 1996.
    """

    name: ClassVar[str] = "l1"
    weight: Weight = 0.1

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight)

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, " batch"]:
        return losses.l1(deterministic(code))


METHODS = ("auto", "closed_form", "forward", "reverse", "estimated")


@component
class Contractive:
    r"""The squared Frobenius norm of the encoder's Jacobian at each example, :mod:`ae_jax.losses.jacobian`.

    .. math:: \left\|\frac{\partial h(x)}{\partial x}\right\|_F^2

    Of a stochastic encoder it is the Jacobian of the mean. Under a corruption it is taken at the corrupted input,
    which is what the encoder sees.

    Attributes:
      weight: lambda of the paper.
      method: ``"auto"`` takes the cheapest exact way (closed form for dense encoders, else the narrower of forward
        and reverse mode); ``"closed_form"``, ``"forward"``, ``"reverse"`` are those ways; ``"estimated"`` is unbiased
        and costs one Jacobian-vector product for each probe.
      probes: how many random directions the estimate takes for each example.

    Raises:
      InvalidInput: a negative weight, an unknown method, no probe, or (when called) the closed form of networks
        whose encoder is no chain of dense layers.

    Example:
      >>> Contractive(weight=0.1).method
      'auto'

    References:
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011.
    """

    name: ClassVar[str] = "jacobian"
    weight: Weight = 0.1
    method: str = static(default="auto")
    probes: int = static(default=1)

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight)
        size(self, "probes", self.probes)
        require_known("method of Contractive", self.method, METHODS)

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, " batch"]:
        return squared_jacobian_norm(model, batch, code, key=key, method=self.method, probes=self.probes)


def squared_jacobian_norm(
    model: Any, batch: Batch, code: Code | None = None, *, key: Key | None = None, method: str = "auto", probes: int = 1
) -> Float[Array, " batch"]:
    """The squared Frobenius norm of the encoder's Jacobian at each example, by the method of :class:`Contractive`."""
    x, condition = batch.x, batch.condition
    layers = model.dense_layers() if condition is None else None
    if method == "closed_form" and layers is None:
        raise InvalidInput(
            f"the encoder of {type(model.networks).__name__} has no closed form: expected a chain of dense layers, all "
            "of whose code is kept, and no condition; use method='auto'."
        )
    if layers is not None and method in ("auto", "closed_form"):
        known = None if code is None else deterministic(code)
        return jacobian.closed_form(layers, x.reshape(x.shape[0], -1), known)
    encode = pure_encoder(model)
    if method == "estimated":
        if key is None:
            raise InvalidInput("the estimated Jacobian norm was given no key: expected one for its random directions.")
        return jacobian.estimated(key, lambda x: deterministic(encode(x, condition)), x, probes=probes)
    norm = {"auto": jacobian.narrower_mode, "forward": jacobian.forward_mode, "reverse": jacobian.reverse_mode}[method]
    if condition is None:
        return norm(lambda x: deterministic(encode(x)), x)

    def of_one(example: Array, given: Array) -> Array:
        return norm(lambda x: deterministic(encode(x, given[None])), example[None])[0]

    return jax.vmap(of_one)(x, condition)
