"""The hyper-parameters of a named autoencoder as options: its signature and the Args of its docstring."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any

from tyro.conf import arg

from ae_jax.autoencoders import Autoencoder, named
from ae_jax.cli.options import one, read_number, read_whole, several
from ae_jax.errors import unknown
from ae_jax.networks.activations import ACTIVATIONS
from ae_jax.objectives import (
    BernoulliLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    LearnedGaussianLikelihood,
    Likelihood,
    SquaredError,
)

LIKELIHOODS: dict[str, Callable[[], Likelihood]] = {
    kind.__name__: kind
    for kind in (SquaredError, BernoulliLikelihood, GaussianLikelihood, LaplaceLikelihood, LearnedGaussianLikelihood)
}
"""What a reconstruction can be judged by, each with its own defaults."""

CHOICES = {"activation": tuple(ACTIVATIONS), "likelihood": tuple(LIKELIHOODS)}
"""Hyper-parameters that are names, and what can be named."""


def hyperparameters(name: str, *, grid: bool = False) -> type:
    """A dataclass of the options of a named autoencoder, each with its default.

    Args:
      name: of the autoencoder.
      grid: numbers take one or more values, and are tuples.

    Raises:
      InvalidInput: nobody bears that name.
    """
    make = named(name)
    fields = [_field(parameter, grid) for parameter in inspect.signature(make).parameters.values()]
    options = dataclasses.make_dataclass("Hyperparameters", fields, frozen=True, kw_only=True)
    options.__doc__ = make.__doc__
    return options


def make_autoencoder(name: str, options: Any) -> Autoencoder:
    """The named autoencoder with the chosen hyper-parameters."""
    return named(name)(**{key: _value(key, getattr(options, key)) for key in _names(options)})


def grid_of(name: str, options: Any) -> dict[str, tuple[Any, ...]]:
    """Hyper-parameter -> values, of what was chosen otherwise than by default."""
    grid = {}
    for key, parameter in inspect.signature(named(name)).parameters.items():
        given = getattr(options, key)
        values = given if _is_number(parameter) else (_value(key, given),)
        if values != (parameter.default,):
            grid[key] = values
    return grid


def _field(parameter: inspect.Parameter, grid: bool) -> tuple[str, Any, Any]:
    default, of_help = parameter.default, arg()
    read, metavar = (read_whole, "N") if parameter.annotation is int else (read_number, "X")
    if isinstance(default, tuple):
        reader = several(read_whole, "N")
    elif not _is_number(parameter):
        choices = CHOICES[parameter.name]
        default = default if isinstance(default, str) else type(default).__name__
        others = ", ".join(name for name in choices if name != default)
        reader, of_help = one(str, "NAME"), arg(help_behavior_hint=f"(default: {default}; others: {others})")
    elif grid:
        reader, default = several(read, metavar, least=1), (default,)
    else:
        reader = one(read, metavar)
    return parameter.name, Annotated[Any, reader, of_help], dataclasses.field(default=default)


def _is_number(parameter: inspect.Parameter) -> bool:
    return isinstance(parameter.default, (int, float))


def _names(options: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(options)]


def _value(key: str, given: Any) -> Any:
    """What an option's value stands for: of a likelihood, the one of that name."""
    if key in CHOICES and given not in CHOICES[key]:
        raise unknown(key, given, CHOICES[key])
    return LIKELIHOODS[given]() if key == "likelihood" else given
