"""Terms that an objective adds to the reconstruction: components with a name, a weight and a value."""

from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
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


@component
class L2:
    r"""Half the squared length of the code.

    .. math:: \tfrac12 \|z\|^2

    Example:
      >>> L2()(None, None, None, jnp.array([[3.0, 4.0]]))
      Array([12.5], dtype=float32)

    References:
      Ghosh et al., *From variational to deterministic autoencoders*, ICLR 2020, eq. 7.
    """

    name: ClassVar[str] = "l2"
    weight: Weight = 1e-2

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight)

    def __call__(self, model: Any, key: Any, batch: Any, code: Code) -> Float[Array, " batch"]:
        z = deterministic(code)
        return 0.5 * jnp.sum(jnp.square(z), axis=tuple(range(1, z.ndim)))


REGULARIZERS = ("l2", "gradient", "spectral")
_POWER_STEPS = 10


@component
class DecoderSmoothness:
    r"""Keeps the decoder smooth, so that codes between those of the data decode to something like the data.

    .. math:: \text{l2: } \|\theta\|^2, \quad \text{gradient: } \|\partial g(z) / \partial z\|_F^2, \quad
       \text{spectral: } \sum_l \sigma_{\max}(W_l)^2

    of the decoder's parameters, of its outputs' Jacobian at each code (estimated by one random direction), or of its
    kernels' largest singular values (by power iteration).

    Attributes:
      weight: lambda.
      kind: ``"l2"``, ``"gradient"`` or ``"spectral"``.

    Raises:
      InvalidInput: a negative weight, another kind, or (when called) networks without an attribute ``decoder``, unless
        the kind is ``"gradient"``.

    Example:
      >>> DecoderSmoothness(kind="gradient").name
      'decoder_smoothness'

    References:
      Ghosh et al., *From variational to deterministic autoencoders*, ICLR 2020, section 3 (RAE-L2, RAE-GP, RAE-SN);
      Yoshida and Miyato, *Spectral norm regularization*, 2017 (the spectral norm as a penalty).
    """

    name: ClassVar[str] = "decoder_smoothness"
    weight: Weight = 1e-2
    kind: str = static(default="l2")

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight)
        require_known("kind of DecoderSmoothness", self.kind, REGULARIZERS)

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, "..."]:
        if self.kind == "gradient":
            return jacobian.estimated(key, lambda z: model.decode(z, batch.condition), deterministic(code))
        leaves = jax.tree.leaves(_decoder_parameters(model.networks))
        if self.kind == "l2":
            return jnp.sum(jnp.stack([jnp.sum(jnp.square(leaf)) for leaf in leaves]))
        kernels = [leaf.reshape(-1, leaf.shape[-1]) for leaf in leaves if leaf.ndim > 1]
        keys = jax.random.split(key, len(kernels))
        return jnp.sum(jnp.stack([jnp.square(spectral_norm(k, w)) for k, w in zip(keys, kernels, strict=True)]))


def _decoder_parameters(networks: Any) -> dict[str, Any]:
    parameters = nnx.to_pure_dict(nnx.state(networks, nnx.Param))
    if "decoder" not in parameters:
        raise InvalidInput(
            f"DecoderSmoothness was given {type(networks).__name__}, whose decoder's parameters are not apart in an "
            "attribute decoder: expected kind='gradient'."
        )
    return {name: parameters[name] for name in ("decoder", "from_code") if name in parameters}


def spectral_norm(key: Key, kernel: Float[Array, "inputs outputs"]) -> Float[Array, ""]:
    """The largest singular value of a kernel, by power iteration from a random vector.

    Example:
      >>> round(float(spectral_norm(jax.random.key(0), jnp.diag(jnp.array([1.0, 3.0, 2.0])))), 2)
      3.0
    """
    fixed, right = jax.lax.stop_gradient(kernel), jax.random.normal(key, kernel.shape[1:], kernel.dtype)
    for _ in range(_POWER_STEPS):
        left = fixed @ right / (jnp.linalg.norm(right) + 1e-12)
        right = left @ fixed / (jnp.linalg.norm(left) + 1e-12)
    left, right = (v / (jnp.linalg.norm(v) + 1e-12) for v in (left, right))
    return left @ kernel @ right


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
