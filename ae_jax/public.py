"""One sentence for a value of a wrong type, wherever it makes a public function fail."""

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ae_jax._checks import shown
from ae_jax.errors import InvalidInput, first_line

P = ParamSpec("P")
R = TypeVar("R")


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function raise InvalidInput in place of any other exception if an argument contradicts its annotation.

    Beartype compares them only once the function has failed: its own sentences say more, and a call costs nothing. Of a
    method of an estimator, the parameters that it was made with are compared too, as its constructor takes any value.

    Example:
      >>> @public
      ... def halved(number: float) -> float:
      ...     return number / 2
      >>> halved("1")
      Traceback (most recent call last):
      ae_jax.errors.InvalidInput: halved was given number='1': expected float.
    """

    @functools.wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except InvalidInput:
            raise
        except Exception as error:
            sentence = _misfit(function, arguments, options)
            estimator: Any = arguments[0] if arguments else None
            if sentence is None and hasattr(estimator, "get_params"):
                sentence = _misfit(type(estimator).__init__, arguments[:1], estimator.get_params(deep=False))
            if sentence is None:
                raise
            raise InvalidInput(sentence) from error

    return call


def _misfit(function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> str | None:
    """The sentence on the first argument that contradicts the signature or its annotation; None if none does."""
    from beartype.door import is_bearable

    name = type(arguments[0]).__name__ if function.__name__ == "__init__" else function.__name__
    signature = inspect.signature(function, eval_str=True)
    try:
        given = signature.bind(*arguments, **options).arguments
    except TypeError as error:
        known = ", ".join(each for each in signature.parameters if each != "self")
        return f"{name} was called with other arguments than it has ({first_line(error)}): expected some of {known}."
    for parameter in signature.parameters.values():
        kind, value = parameter.annotation, given.get(parameter.name)
        if parameter.name not in given or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if isinstance(value, (str, Path)) and "\0" in str(value):
            return f"{name} was given {parameter.name}={shown(value)}: expected a path or name without NUL."
        if isinstance(value, int) and value.bit_length() > 63:
            return f"{name} was given {parameter.name}={shown(value)}: expected a number of 64 bits."
        if kind is not parameter.empty and not any(is_bearable(form, kind) for form in _forms(value)):
            return f"{name} was given {parameter.name}={shown(value)}: expected {_described(kind)}."
    return None


def _forms(value: Any) -> Iterator[Any]:
    """The value, and what it is taken for where lists, arrays and numbers of NumPy are as good as Python's own."""
    yield value
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
        yield value
    if isinstance(value, int):
        yield float(value) if value.bit_length() < 1000 else value
    if isinstance(value, list):
        yield tuple(value)


def _described(kind: Any) -> str:
    """An annotation as text, without modules."""
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text).replace("NoneType", "None")
