"""The hyper-parameters of a named autoencoder as options: its signature and the Args of its docstring."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from tyro.conf import arg

from ae_jax.cli.options import option
from ae_jax.models import named
from ae_jax.models.descriptions import arguments
from ae_jax.networks.activations import ACTIVATIONS
from ae_jax.objectives import Likelihood, likelihoods

LIKELIHOODS: dict[str, Callable[[], Likelihood]] = {
    name: kind for name, kind in vars(likelihoods).items() if hasattr(kind, "unit_interval")
}
"""Names of likelihoods, each with its own defaults."""


def hyperparameters(name: str, *, grid: bool = False) -> type:
    """Returns a dataclass of the options of a named autoencoder, each with its default.

    Parameters that are numbers, flags, names or tuples of numbers become options, and ``likelihood`` the name of one.

    Args:
      name: of the autoencoder.
      grid: numbers take one or more values.

    Raises:
      InvalidInput: no autoencoder has that name.
    """
    parameters, meanings = inspect.signature(named(name)).parameters.values(), arguments(name)
    fields = [
        (field[0], Annotated[field[1], arg(help=meanings[each.name])], field[2])
        for each in parameters
        if (field := _field(each, grid))
    ]
    return dataclasses.make_dataclass("Hyperparameters", fields, frozen=True, kw_only=True)


def chosen_values(options: Any) -> dict[str, Any]:
    """Returns hyper-parameter -> value, of those that differ from their defaults, likelihoods by their names."""
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    chosen = {key: value for key, value in given.items() if value != defaults[key]}
    return {key: LIKELIHOODS[value]() if key == "likelihood" else value for key, value in chosen.items()}


def chosen_grid(name: str, options: Any) -> dict[str, tuple[Any, ...]]:
    """Returns hyper-parameter -> values, of those that differ from their defaults."""
    parameters = inspect.signature(named(name)).parameters
    return {
        key: value if _is_number(parameters[key].default) else (value,) for key, value in chosen_values(options).items()
    }


def _field(parameter: inspect.Parameter, grid: bool) -> tuple[str, Any, Any] | None:
    """Returns name, type and default of an option; None for a parameter that a command line cannot give."""
    name, default = parameter.name, parameter.default
    if name == "likelihood":
        shown, adapts = type(default).__name__, default.unit_interval
        shown += " of data in [0, 1], else GaussianLikelihood" if adapts else ""
        return (
            name,
            Annotated[Literal[tuple(LIKELIHOODS)] | None, option("NAME", shown)],
            dataclasses.field(default=None),
        )
    if name in ("classes", "examples"):
        return name, Annotated[int | None, option("INT", "as many as the data have")], dataclasses.field(default=None)
    if isinstance(default, str):
        kind = Literal[tuple(ACTIVATIONS)] if name == "activation" else str
    elif isinstance(default, tuple):
        kind = tuple[int, ...]
    elif _is_number(default) and grid:
        kind, default = tuple[type(default), ...], (default,)
    elif isinstance(default, (bool, int, float)):
        kind = type(default)
    elif default is None and set(get_args(parameter.annotation)) <= {int, float, type(None)}:
        kind = parameter.annotation
    else:
        return None
    return name, kind, dataclasses.field(default=default)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
