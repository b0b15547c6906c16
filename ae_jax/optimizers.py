"""Optax's optimisers as components whose numbers are leaves, and one optimiser for each part of a model."""

import inspect
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import optax

from ae_jax._checks import require_number, require_positive, shown
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput, require_known
from ae_jax.types import Number, Weight

RULES = ("adabelief", "adagrad", "adam", "adamax", "adamw", "lamb", "lion", "nadam", "radam", "rmsprop", "sgd", "yogi")


@runtime_checkable
class OptaxChain(Protocol):
    """Anything that gives an Optax gradient transformation; a component, so that a run can be saved."""

    def transformation(self) -> optax.GradientTransformation: ...


@component
class Optimizer:
    """An Optax optimiser by its name, with its learning rate and other numbers.

    Attributes:
      rule: the name of the function in Optax; ``"adam"`` is Kingma and Ba (2015).
      learning_rate: the step size, or a schedule of steps (:mod:`ae_jax.schedules`).
      settings: further numeric arguments of that function, such as ``{"b1": 0.99}`` or ``{"weight_decay": 1e-4}``.
      clip_norm: gradients of a larger global norm are scaled down to it; None leaves them.

    Raises:
      InvalidInput: an unknown rule or setting, a learning rate or norm not above zero.

    Example:
      >>> Optimizer(rule="adamw", learning_rate=1e-3, settings={"weight_decay": 1e-4}).rule
      'adamw'
    """

    rule: str = static(default="adam")
    learning_rate: Weight = 1e-3
    settings: dict[str, Number] | None = None
    clip_norm: Number | None = None

    def __post_init__(self) -> None:
        require_known("optimizer", self.rule, RULES)
        require_positive(self, learning_rate=self.learning_rate, clip_norm=self.clip_norm)
        accepted = set(inspect.signature(getattr(optax, self.rule)).parameters) - {"learning_rate"}
        if not isinstance(self.settings, dict | None):
            raise InvalidInput(f"Optimizer was given settings={shown(self.settings)}: expected numbers by their names.")
        for name, value in (self.settings or {}).items():
            require_known(f"setting of {self.rule}", name, accepted)
            require_number(f"the setting of {self.rule}", **{name: value})

    def transformation(self) -> optax.GradientTransformation:
        """The Optax gradient transformation; may be called while its numbers are traced."""
        rule = getattr(optax, self.rule)(self.learning_rate, **(self.settings or {}))
        return rule if self.clip_norm is None else optax.chain(optax.clip_by_global_norm(self.clip_norm), rule)  # pyright: ignore[reportArgumentType]


def require_optimizer(optimizer: Any) -> None:
    """Raises a sentence for what is neither an optimiser nor a mapping from parts of a model to optimisers.

    Raises:
      InvalidInput: it is neither.
    """
    several = isinstance(optimizer, Mapping) and optimizer
    for one in optimizer.values() if several else [optimizer]:
        if isinstance(one, type) or not isinstance(one, OptaxChain):
            raise InvalidInput(
                f"Autoencoder was given optimizer={shown(one)}: expected an Optimizer(), a component with "
                "transformation(), or a mapping from parts of the model to these."
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
