"""The hyper-parameters of a named autoencoder as options: its signature and the Args of its docstring."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from ae_jax.cli.options import one, read_number, read_whole, several
from ae_jax.errors import unknown
from ae_jax.models import Autoencoder, named
from ae_jax.networks.activations import ACTIVATIONS
from ae_jax.objectives import (
    BernoulliLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    LearnedGaussianLikelihood,
    Likelihood,
    SquaredError,
)

if TYPE_CHECKING:
    from ae_jax.data import Dataset

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


def make_autoencoder(name: str, options: Any, dataset: "Dataset | None" = None) -> tuple[Autoencoder, list[str]]:
    """The named autoencoder with the chosen hyper-parameters, and what must be said of it.

    A likelihood that nobody chose is that of the data, where they are given (:func:`ae_jax.studies.suited`).
    """
    from ae_jax.studies import suited

    given = {key: _value(key, getattr(options, key)) for key in _names(options) if getattr(options, key) is not None}
    return (named(name)(**given), []) if dataset is None else suited(name, dataset, **given)


def grid_of(name: str, options: Any) -> dict[str, tuple[Any, ...]]:
    """Hyper-parameter -> values, of what was chosen otherwise than by default."""
    grid = {}
    parameters = inspect.signature(named(name)).parameters
    for field in dataclasses.fields(options):
        given = getattr(options, field.name)
        if given != field.default:
            grid[field.name] = given if _is_number(parameters[field.name]) else (_value(field.name, given),)
    return grid


def _field(parameter: inspect.Parameter, grid: bool) -> tuple[str, Any, Any]:
    default, of_help = parameter.default, arg()
    read, metavar = (read_whole, "N") if parameter.annotation is int else (read_number, "X")
    if isinstance(default, tuple):
        reader = several(read_whole, "N")
    elif not _is_number(parameter):
        by_data = getattr(default, "unit_interval", False)
        shown = default if isinstance(default, str) else type(default).__name__
        others = ", ".join(name for name in CHOICES[parameter.name] if name != shown)
        shown += " of data in [0, 1], else GaussianLikelihood" if by_data else ""
        reader, of_help = one(str, "NAME"), arg(help_behavior_hint=f"(default: {shown}; others: {others})")
        default = None if by_data else default if isinstance(default, str) else type(default).__name__
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
