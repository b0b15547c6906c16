"""k-sparse codes: only the largest units of each example are kept."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float

from ae_jax import losses
from ae_jax._checks import size
from ae_jax.errors import InvalidInput


@runtime_checkable
class HasCode(Protocol):
    """A component that describes a code: its number of units, how many of them are kept, whether it is stochastic."""

    @property
    def code(self) -> Any: ...

    @property
    def top_k(self) -> int | None: ...

    @property
    def stochastic(self) -> bool: ...


def require_top_k(config: HasCode) -> None:
    """Checks the number of units that are kept against the size of the code.

    Raises:
      InvalidInput: no whole number above zero, more than there are units, or the units of a stochastic encoder.
    """
    if config.top_k is None:
        return
    owner = type(config).__name__
    if size(config, "top_k", config.top_k) > config.code:
        raise InvalidInput(f"{owner} was given top_k={config.top_k}: expected at most its code={config.code}.")
    if config.stochastic:
        raise InvalidInput(
            f"{owner} was given top_k={config.top_k} and stochastic=True: expected one of the two; drop top_k."
        )


def keep_top_k(config: HasCode, z: Float[Array, "batch *code"]) -> Float[Array, "batch *code"]:
    """The code with only its largest units kept, or the whole code where ``top_k`` is None."""
    return z if config.top_k is None else losses.top_k(z, config.top_k)
