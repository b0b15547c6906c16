"""A user's own nnx module as networks, without subclassing anything of this package."""

from collections.abc import Callable

from flax import nnx

from ae_jax._checks import widths
from ae_jax.components import component, register, static
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

Build = Callable[[Shape, nnx.Rngs], nnx.Module]


@component
class FromNNX:
    """Networks that a function of the user's builds; see :func:`from_nnx`."""

    build: Build = static()
    code: tuple[int, ...] = static()
    condition: int | None = static(default=None)

    def __post_init__(self) -> None:
        if not callable(self.build):
            raise InvalidInput(f"from_nnx was given {self.build!r}: expected a function of a shape and nnx.Rngs.")
        register(self.build)
        object.__setattr__(self, "code", widths(self, "code", self.code))

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> nnx.Module:
        return self.build(shape, rngs)


def from_nnx(build: Build, code: tuple[int, ...] = (16,), condition: int | None = None) -> FromNNX:
    """Networks from any nnx module with ``encode`` and ``decode``.

    The module may hold whatever nnx offers: batch normalisation, dropout, attention, residual blocks, connections from
    encoder to decoder by an attribute that ``encode`` sets and ``decode`` reads. Training runs it in training mode and
    keeps its running statistics; validation and evaluation run it in evaluation mode.

    Args:
      build: ``build(shape, rngs)`` gives the module for examples of one shape. ``encode`` maps ``[batch, *shape]`` to
        ``[batch, *code]``, or to a posterior such as :class:`ae_jax.distributions.DiagonalGaussian`; ``decode`` maps
        codes to ``[batch, *shape]``. A saved run names it by module and name; call ``from_nnx(build)`` before
        :func:`ae_jax.load`, which imports and executes nothing.
      code: the shape of one example's code.
      condition: the number of classes or covariates that ``encode(x, condition)`` and ``decode(z, condition)`` take as
        their second argument; None where they take none.

    Raises:
      InvalidInput: ``build`` is no function, or a size of the code is not above zero.

    Example:
      >>> import ae_jax
      >>> class Normalised(nnx.Module):
      ...     def __init__(self, shape, rngs):
      ...         self.enter = nnx.Linear(shape[0], 3, rngs=rngs)
      ...         self.norm = nnx.BatchNorm(3, rngs=rngs)
      ...         self.leave = nnx.Linear(3, shape[0], rngs=rngs)
      ...
      ...     def encode(self, x):
      ...         return self.norm(self.enter(x))
      ...
      ...     def decode(self, z):
      ...         return self.leave(z)
      >>> mine = ae_jax.Autoencoder(
      ...     name="normalised", networks=from_nnx(Normalised, code=(3,)), objective=ae_jax.objectives.Reconstruction()
      ... )
      >>> run = ae_jax.fit(mine, np.eye(8, dtype=np.float32), epochs=2, batch_size=4)
      >>> run.encode(np.eye(8, dtype=np.float32)).shape, sorted(run.state["networks"]["norm"])
      ((8, 3), ['mean', 'var'])
    """
    return FromNNX(build=build, code=code, condition=condition)
