"""Schedules: functions of the number of steps taken, which can stand for any weight."""

import inspect
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ae_jax._checks import require_number, require_positive, shown
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput, first_line, require_known
from ae_jax.types import Number, Weight


@component
class Linear:
    r"""From ``start`` to ``end`` in a straight line over ``steps`` optimiser steps, constant afterwards.

    .. math:: w(t) = a + (b - a) \min(t / T, 1)

    A KL warm-up is ``ELBO(beta=Linear(start=0.0, end=1.0, steps=1000))``.

    Example:
      >>> [float(Linear(start=0.0, end=1.0, steps=4)(step)) for step in (0, 1, 4, 9)]
      [0.0, 0.25, 1.0, 1.0]

    References:
      Bowman et al., *Generating sentences from a continuous space*, CoNLL 2016 (KL annealing).
    """

    start: Number = 0.0
    end: Number = 1.0
    steps: Number = 1000

    def __post_init__(self) -> None:
        require_number(self, start=self.start, end=self.end)
        require_positive(self, steps=self.steps)

    def __call__(self, step: Any) -> Float[Array, ""]:
        return jnp.asarray(self.start) + (self.end - self.start) * jnp.clip(step / self.steps, 0.0, 1.0)


@component
class Cosine:
    r"""From ``start`` to ``end`` along half a cosine over ``steps`` optimiser steps, constant afterwards.

    .. math:: w(t) = b + \tfrac{1}{2} (a - b) (1 + \cos(\pi \min(t / T, 1)))

    Example:
      >>> [round(float(Cosine(start=1.0, end=0.0, steps=4)(step)), 3) for step in (0, 2, 4)]
      [1.0, 0.5, 0.0]

    References:
      Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*, ICLR 2017.
    """

    start: Number = 1.0
    end: Number = 0.0
    steps: Number = 1000

    def __post_init__(self) -> None:
        require_number(self, start=self.start, end=self.end)
        require_positive(self, steps=self.steps)

    def __call__(self, step: Any) -> Float[Array, ""]:
        share = jnp.clip(step / self.steps, 0.0, 1.0)
        return jnp.asarray(self.end) + 0.5 * (self.start - self.end) * (1.0 + jnp.cos(jnp.pi * share))


@component
class FromOptax:
    """Any of Optax's schedules by the name of its function; its numbers are structure, not swept.

    Attributes:
      rule: such as ``"warmup_cosine_decay_schedule"``.
      settings: that function's numbers by name; kept as pairs.

    Raises:
      InvalidInput: an unknown schedule or setting, or numbers that Optax refuses.

    Example:
      >>> settings = {"init_value": 1.0, "transition_steps": 1, "decay_rate": 0.5}
      >>> decay = FromOptax(rule="exponential_decay", settings=settings)
      >>> float(decay(2))
      0.25
    """

    rule: str = static()
    settings: Any = static(default=())

    def __post_init__(self) -> None:
        rules = [name for name in dir(optax.schedules) if name.endswith(("_schedule", "_decay", "_restarts"))]
        require_known("schedule of Optax", self.rule, rules)
        try:
            settings = dict(self.settings)
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"{self.rule} was given settings={shown(self.settings)}: expected its numbers by their names."
            ) from error
        known = inspect.signature(getattr(optax.schedules, self.rule)).parameters
        for name in settings:
            require_known(f"setting of {self.rule}", name, known)
        require_number(f"the setting of {self.rule}", **settings)
        object.__setattr__(self, "settings", tuple(sorted(settings.items())))
        try:
            self(0)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise InvalidInput(
                f"{self.rule} was given numbers that Optax refuses ({first_line(error)}): expected others."
            ) from error

    def __call__(self, step: Any) -> Any:
        return getattr(optax.schedules, self.rule)(**dict(self.settings))(step)


def value_at(weight: Weight, step: Any) -> Any:
    """The value of a weight at a step, where it is a schedule; else the number itself.

    Example:
      >>> value_at(0.5, step=7)
      0.5
    """
    return weight(step) if callable(weight) else weight
