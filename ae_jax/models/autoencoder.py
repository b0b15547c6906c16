"""What an autoencoder is: networks, an objective and an optimiser."""

from ae_jax._checks import require_part
from ae_jax.components import component, static
from ae_jax.networks import NetworksBuilder, functional
from ae_jax.objectives import Objective
from ae_jax.optimizers import Optimizer
from ae_jax.types import Key, Params, Shape


@component
class Autoencoder:
    """Networks, what is minimised and how: a value whose numbers are leaves of a pytree.

    Any networks, objective and optimiser go together, so that a new autoencoder is an expression:

    Attributes:
      name: what results call it.
      networks: how to build the networks from a data shape, :mod:`ae_jax.networks`.
      objective: what is minimised, :mod:`ae_jax.objectives`.
      optimizer: how, :class:`ae_jax.optimizers.Optimizer`.

    Raises:
      InvalidInput: a part that is none of its kind.

    Example:
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
    optimizer: Optimizer = Optimizer()

    def __post_init__(self) -> None:
        require_part(self, str, "the name that results call it", name=self.name)
        require_part(self, NetworksBuilder, "networks, such as MLP()", networks=self.networks)
        require_part(self, Objective, "an objective, such as Reconstruction()", objective=self.objective)
        require_part(self, Optimizer, "an Optimizer()", optimizer=self.optimizer)

    def init(self, shape: Shape, key: Key) -> Params:
        """Fresh parameters for examples of this shape."""
        return functional.init(self.networks, shape, key, self.objective.likelihood.outputs)

    def bind(self, shape: Shape, params: Params):
        """The networks with these parameters, with ``encode`` and ``decode``."""
        return functional.bind(self.networks, shape, params, self.objective.likelihood.outputs)
