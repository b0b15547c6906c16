"""Functions that a code passes on its way to the decoder during training; a run encodes without them."""

from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from ae_jax import losses
from ae_jax._checks import require_probability
from ae_jax.components import component
from ae_jax.types import Key, Number


@runtime_checkable
class Bottleneck(Protocol):
    """Any callable that maps a key and a batch of codes to codes of the same shape; a corruption is one, too."""

    def __call__(self, key: Key, code: Float[Array, "batch code"], /) -> Float[Array, "batch code"]: ...


@component
class WinnerTakeAll:
    """Keeps only a share of each unit's activations over the batch, the largest: lifetime sparsity.

    By :func:`ae_jax.losses.lifetime_sparsity`. A trained encoder's codes are those of its activation,
    which is a ReLU in the paper.

    Attributes:
      rate: the share of the batch that each unit keeps, rounded to whole examples; at least one is kept.

    Raises:
      InvalidInput: a rate outside [0, 1].

    Example:
      >>> WinnerTakeAll(rate=0.5)(jax.random.key(0), jnp.array([[1.0, 3.0], [2.0, 0.0]]))
      Array([[0., 3.],
             [2., 0.]], dtype=float32)

    References:
      Makhzani and Frey, *Winner-take-all autoencoders*, NeurIPS 2015, section 2.
    """

    rate: Number = 0.05

    def __post_init__(self) -> None:
        require_probability(self, rate=self.rate)

    def __call__(self, key: Key, code: Float[Array, "batch code"]) -> Float[Array, "batch code"]:
        return losses.lifetime_sparsity(code, self.rate)
