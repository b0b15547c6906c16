"""An autoencoder: networks, an objective and an optimiser."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec

import jax
import numpy as np
import optax

from ae_jax._checks import require_part, shown
from ae_jax._reprs import as_html, as_text, brief
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.networks import ModelSpec, NetworksBuilder, PartBuilder, functional
from ae_jax.objectives import Likelihood, Objective
from ae_jax.optimizers import Optimizer, require_optimizer, transformation_of
from ae_jax.types import Key, ModelState, Params, Shape

_P = ParamSpec("_P")


def follows_range(make: "Callable[_P, Autoencoder]") -> "Callable[_P, Autoencoder]":
    """Marks what a function makes without a likelihood, so that ``fit`` can make it again with one for the data.

    ``fit`` does so where the default is a likelihood of values in [0, 1] and the data leave that range; a likelihood
    that was given stays.
    """

    @wraps(make)
    def build(*args: _P.args, **hyperparameters: _P.kwargs) -> Autoencoder:
        autoencoder = make(*args, **hyperparameters)
        if "likelihood" not in hyperparameters:
            object.__setattr__(autoencoder, "remade", partial(build, *args, **hyperparameters))
        return autoencoder

    return build


@component
class Autoencoder:
    """Networks, an objective and an optimiser: a value whose numbers are leaves of a pytree.

    Any networks, objective and optimiser go together, so that a new autoencoder is an expression:

    Attributes:
      name: its name in results.
      networks: builds the networks from a data shape, :mod:`ae_jax.networks`.
      objective: the quantity that training minimises, :mod:`ae_jax.objectives`.
      optimizer: an :class:`ae_jax.Optimizer`, anything else with ``transformation() -> optax.GradientTransformation``,
        or a mapping from each part of the model (``"networks"``, ``"critic"``, ...) to one of these.

    Raises:
      InvalidInput: a component that is not of its kind.

    Example:
      >>> from ae_jax.corruptions import Gaussian
      >>> from ae_jax.networks import Convolutional
      >>> from ae_jax.objectives import Contractive, Reconstruction
      >>> denoising_contractive_convolutional = Autoencoder(
      ...     name="mine",
      ...     networks=Convolutional(channels=(8,), code=4),
      ...     objective=Reconstruction(corruption=Gaussian(scale=0.2), penalties=(Contractive(weight=0.01),)),
      ... )
      >>> jax.tree.leaves(denoising_contractive_convolutional)
      [0.2, 0.01, 0.001]
    """

    name: str = static()
    networks: NetworksBuilder
    objective: Objective
    optimizer: Any = Optimizer()

    def __post_init__(self) -> None:
        require_part(self, str, "its name in results", name=self.name)
        require_part(self, NetworksBuilder, "networks, such as MLP()", networks=self.networks)
        require_part(self, Objective, "an objective, such as Reconstruction()", objective=self.objective)
        likelihood = self.objective.likelihood
        require_part(self.objective, Likelihood, "a likelihood, such as SquaredError()", likelihood=likelihood)
        for name, part in self.objective.parts.items():
            require_part(self.objective, PartBuilder, "the builder of a part of the model", **{name: part})
        require_optimizer(self.optimizer)
        for path, leaf in jax.tree.leaves_with_path(self):
            if not isinstance(leaf, (int, float, np.ndarray, np.generic, jax.Array)):
                kind, place = type(leaf).__name__, jax.tree_util.keystr(path, simple=True, separator=".")
                raise InvalidInput(
                    f"{self.name} was given {place}={shown(leaf)}: expected a number or a component; put the decorator "
                    f"@ae_jax.component above the class {kind}, or make the field static()."
                )

    def __repr__(self) -> str:
        return as_text(f"Autoencoder {self.name}", self._facts())

    def _repr_html_(self) -> str:
        return as_html(f"Autoencoder {self.name}", self._facts())

    def _facts(self) -> dict[str, str]:
        """Its components, each with what differs from the defaults."""
        return {name: brief(getattr(self, name)) for name in ("networks", "objective", "optimizer")}

    def spec(self, shape: Shape) -> ModelSpec:
        """The structure of the model for examples of this shape."""
        parts = tuple(sorted(self.objective.parts.items()))
        return ModelSpec(self.networks, shape, self.objective.likelihood.outputs, parts)

    @property
    def conditional(self) -> bool:
        """Whether batches need a condition because the networks take one or the objective reads it."""
        return self.objective.uses_condition or getattr(self.networks, "condition", None) is not None

    def init(self, shape: Shape, key: Key) -> tuple[Params, ModelState]:
        """Fresh parameters and the initial state of the model for examples of this shape."""
        return functional.init(self.spec(shape), key)

    def bind(self, shape: Shape, params: Params, state: ModelState | None = None) -> Any:
        """The model with these parameters, in evaluation mode."""
        return functional.bind(self.spec(shape), params, state)

    def transformation(self) -> optax.GradientTransformation:
        """The Optax gradient transformation of all parts."""
        return transformation_of(self.optimizer)
