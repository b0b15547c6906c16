"""Optax's optimisers as components whose numbers are leaves, and one optimiser for each part of a model."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from ae_jax._checks import require_inside, require_number, require_positive, shown, size
from ae_jax.components import component, register, static
from ae_jax.errors import InvalidInput, require_known
from ae_jax.types import Number, Weight

RULES = (
    *("adabelief", "adadelta", "adagrad", "adam", "adamax", "adamaxw", "adamw", "adan", "ademamix", "amsgrad", "lamb"),
    *("lars", "lion", "muon", "nadam", "nadamw", "novograd", "prodigy", "radam", "rmsprop", "sgd", "signum", "yogi"),
)
_MASKS = ("mask", "weight_decay_mask")


@runtime_checkable
class OptaxChain(Protocol):
    """Anything that gives an Optax gradient transformation; a component, so that a run can be saved."""

    def transformation(self) -> optax.GradientTransformation: ...


@component
class Optimizer:
    """An Optax optimiser by its name, with its learning rate and other numbers.

    Attributes:
      rule: the name of the function in Optax or ``optax.contrib``; ``"adam"`` is Kingma and Ba (2015), ``"muon"``
        Jordan et al. (2024).
      learning_rate: the step size, or a schedule of steps (:mod:`ae_jax.schedules`).
      settings: further numeric arguments of that function, such as ``{"b1": 0.99}`` or ``{"weight_decay": 1e-4}``.
      clip_norm: gradients of a larger global norm are scaled down to it; None leaves them.
      decay_biases: whether weight decay also pulls at parameters of one axis: biases, scales of normalisations.
      accumulate: steps whose mean gradient makes one update; a schedule of the learning rate counts updates.
      average: decay of the exponential moving average of the parameters, which validation, the choice of the best epoch
        and the finished run use; at step t at most ``(1 + t) / (10 + t)``. None averages nothing. Running statistics
        of normalisations stay those of the latest parameters.

    Raises:
      InvalidInput: an unknown rule or setting, a learning rate or norm not above zero, a decay outside (0, 1), or
        ``decay_biases=False`` with a rule that has no mask.

    Example:
      >>> Optimizer(rule="adamw", learning_rate=1e-3, settings={"weight_decay": 1e-4}, decay_biases=False).rule
      'adamw'
      >>> Optimizer(rule="muon", learning_rate=0.02, average=0.999).average
      0.999

    References:
      Polyak and Juditsky, *Acceleration of stochastic approximation by averaging*, SIAM J. Control Optim. 1992.
    """

    rule: str = static(default="adam")
    learning_rate: Weight = 1e-3
    settings: dict[str, Number] | None = None
    clip_norm: Number | None = None
    decay_biases: bool = static(default=True)
    accumulate: int = static(default=1)
    average: Number | None = None

    def __post_init__(self) -> None:
        require_known("optimizer", self.rule, RULES)
        require_positive(self, learning_rate=self.learning_rate, clip_norm=self.clip_norm)
        require_inside(self, 0, 1, average=self.average)
        size(self, "accumulate", self.accumulate)
        accepted = set(inspect.signature(self._make).parameters) - {"learning_rate"}
        if not self.decay_biases and not accepted.intersection(_MASKS):
            raise InvalidInput(
                f"Optimizer was given decay_biases=False and {self.rule}, which has no mask: expected adamw."
            )
        if not isinstance(self.settings, dict | None):
            raise InvalidInput(f"Optimizer was given settings={shown(self.settings)}: expected numbers by their names.")
        for name, value in (self.settings or {}).items():
            require_known(f"setting of {self.rule}", name, accepted)
            require_number(f"the setting of {self.rule}", **{name: value})

    def transformation(self) -> optax.GradientTransformation:
        """The Optax gradient transformation; may be called while its numbers are traced."""
        mask = {name: _kernels for name in _MASKS if name in inspect.signature(self._make).parameters}
        rule = self._make(self.learning_rate, **(self.settings or {}), **({} if self.decay_biases else mask))
        if self.clip_norm is not None:
            rule = optax.chain(optax.clip_by_global_norm(self.clip_norm), rule)  # pyright: ignore[reportArgumentType]
        return rule if self.accumulate == 1 else optax.MultiSteps(rule, self.accumulate).gradient_transformation()

    @property
    def _make(self) -> Callable[..., optax.GradientTransformation]:
        return getattr(optax, self.rule, None) or getattr(contrib, self.rule)


def _kernels(params: Any) -> Any:
    """True for parameters of two axes or more."""
    return jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, params)


@component
class OptaxFactory:
    """An optimiser that a function of the user's builds; see :func:`from_optax`."""

    build: Callable[..., optax.GradientTransformation] = static()
    settings: dict[str, Number]
    average: Number | None = None

    def __post_init__(self) -> None:
        if not callable(self.build):
            raise InvalidInput(f"from_optax was given {shown(self.build)}: expected a function that returns a chain.")
        register(self.build)
        require_number("from_optax", **self.settings)
        require_inside("from_optax", 0, 1, average=self.average)

    def transformation(self) -> optax.GradientTransformation:
        """The gradient transformation that the function returns; its numbers may be traced."""
        return self.build(**self.settings)


def from_optax(
    build: Callable[..., optax.GradientTransformation], *, average: Number | None = None, **settings: Number
) -> OptaxFactory:
    """An optimiser from any Optax chain.

    Args:
      build: a function that returns the chain, ``build(**settings)``. A saved run names it by module and name: call
        ``from_optax(build)`` before :func:`ae_jax.load`, or give its file by ``--import FILE.py``.
      average: as of :class:`Optimizer`.
      settings: numbers for the function, which may differ between the members of a population.

    Example:
      >>> def noisy(learning_rate):
      ...     return optax.chain(optax.centralize(), optax.adam(learning_rate))
      >>> import ae_jax, dataclasses
      >>> mine = dataclasses.replace(ae_jax.undercomplete(code=2), optimizer=from_optax(noisy, learning_rate=1e-3))
      >>> ae_jax.fit(mine, ae_jax.data.digits(), epochs=1).members[0].optimizer.settings
      {'learning_rate': 0.001}
    """
    return OptaxFactory(build=build, settings=settings, average=average)


def require_optimizer(optimizer: Any) -> None:
    """Raises a sentence for what is neither an optimiser nor a mapping from parts of a model to optimisers.

    Raises:
      InvalidInput: it is neither.
    """
    several = isinstance(optimizer, Mapping) and optimizer
    for one in optimizer.values() if several else [optimizer]:
        if isinstance(one, type) or not isinstance(one, OptaxChain):
            raise InvalidInput(
                f"Autoencoder was given optimizer={shown(one)}: expected an Optimizer(), a chain by "
                "ae_jax.optimizers.from_optax(build), a component with transformation(), or a mapping from parts of "
                "the model to these."
            )


def transformation_of(optimizer: Any) -> optax.GradientTransformation:
    """The gradient transformation of one optimiser, or of a mapping from part to optimiser.

    Example:
      >>> critic = {"networks": Optimizer(), "critic": Optimizer(rule="sgd")}
      >>> params = {"networks": jnp.ones(2), "critic": jnp.ones(1)}
      >>> sorted(transformation_of(critic).init(params).inner_states)
      ['critic', 'networks']
    """
    if not isinstance(optimizer, Mapping):
        return optimizer.transformation()
    transformations = {part: one.transformation() for part, one in optimizer.items()}
    return optax.partition(transformations, lambda params: {part: part for part in params})


def averages_of(optimizer: Any, params: Any) -> dict[str, Any]:
    """The decay of the moving average of each part of a model that has one.

    Example:
      >>> averages_of({"networks": Optimizer(average=0.99), "critic": Optimizer()}, {"networks": 1, "critic": 2})
      {'networks': 0.99}
    """
    each = optimizer if isinstance(optimizer, Mapping) else dict.fromkeys(params, optimizer)
    decays = {part: getattr(one, "average", None) for part, one in each.items()}
    return {part: decay for part, decay in decays.items() if decay is not None}
