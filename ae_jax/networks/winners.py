"""k-sparse codes: of each example only the largest units are kept."""

from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from ae_jax._checks import size
from ae_jax.errors import InvalidInput
from ae_jax.losses import top_k_winners


@runtime_checkable
class HasCode(Protocol):
    """A component that says what its code is: how many units, how many of them win, and whether they are drawn."""

    @property
    def code(self) -> int: ...

    @property
    def winners(self) -> int | None: ...

    @property
    def stochastic(self) -> bool: ...


def require_winners(config: HasCode) -> None:
    """Checks the number of winners against the code that they win in.

    Raises:
      InvalidInput: no whole number above zero, more winners than units, or winners of a stochastic encoder.
    """
    if config.winners is None:
        return
    owner = type(config).__name__
    if size(config, "winners", config.winners) > config.code:
        raise InvalidInput(f"{owner} was given winners={config.winners}: expected no more than its code={config.code}.")
    if config.stochastic:
        raise InvalidInput(
            f"{owner} was given winners={config.winners} and stochastic=True: expected one, as the units of a "
            "distribution do not compete."
        )


def keep_winners(config: HasCode, z: Float[Array, "batch code"]) -> Float[Array, "batch code"]:
    """What is left of a code: all of it, or its winners."""
    return z if config.winners is None else top_k_winners(z, config.winners)
