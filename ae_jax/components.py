"""Components: frozen dataclasses whose numbers are pytree leaves and whose structure is static.

A component's numbers can be traced, stacked and mapped over, so that a sweep is ``jax.vmap`` over a stack of
components; fields made by :func:`static` are part of the tree structure, so that components group by shape.
"""

import dataclasses
import difflib
import importlib.util
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

from ae_jax.errors import InvalidInput, first_line, require_known
from ae_jax.public import public

T = TypeVar("T")

_components: dict[str, type] = {}
_functions: dict[str, Callable[..., Any]] = {}


def static(*, default: Any = dataclasses.MISSING) -> Any:
    """A field of the structure (a width, a name): hashable, not traced; another value is another program."""
    return dataclasses.field(default=default, metadata={"static": True})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(static,))
def component(cls: type[T]) -> type[T]:
    """Makes a class a component: a frozen, keyword-only dataclass, a pytree, and readable from JSON by its name.

    Fields are leaves or components of their own, unless made by :func:`static`. ``__post_init__`` checks the
    values of a user and is not run when JAX rebuilds a component from its leaves. The same decorator makes a class of
    yours loadable by :func:`from_config`.

    Raises:
      InvalidInput: another class of that name is a component already.

    Example:
      >>> @component
      ... class Power:
      ...     exponent: float = 2.0
      ...     kind: str = static(default="even")
      >>> jax.tree.leaves(Power(exponent=3.0))
      [3.0]
      >>> to_config(Power())
      {'type': 'Power', 'exponent': 2.0, 'kind': 'even'}
    """
    cls = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    cls.__init__ = public(cls.__init__)
    known = _components.setdefault(cls.__name__, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise InvalidInput(
            f"the component {cls.__name__} of {cls.__module__} has the name of one in {known.__module__}: rename it."
        )
    _components[cls.__name__] = cls
    fields = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
    leaves = tuple(f.name for f in fields if not f.metadata.get("static"))
    structure = tuple(f.name for f in fields if f.metadata.get("static"))

    def flatten_with_keys(value: T) -> tuple[list[Any], tuple[Any, ...]]:
        children = [(jax.tree_util.GetAttrKey(name), getattr(value, name)) for name in leaves]
        return children, tuple(getattr(value, name) for name in structure)

    def flatten(value: T) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(value, name) for name in leaves], tuple(getattr(value, name) for name in structure)

    def unflatten(aux: tuple[Any, ...], children: Any) -> T:
        value = object.__new__(cls)
        for name, child in zip((*leaves, *structure), (*children, *aux), strict=True):
            object.__setattr__(value, name, child)
        return value

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def register(function: Callable[..., Any]) -> None:
    """Makes a function or class nameable in configurations, as ``module:name``; loading finds only registered ones."""
    _functions[_name_of(function)] = function


def _name_of(function: Callable[..., Any]) -> str:
    module = getattr(function, "__module__", "")
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if module == "__main__" and script is not None:  # the name of the module where another process imports the script
        module = Path(script).stem
    return f"{module}:{getattr(function, '__qualname__', repr(function))}"


def import_file(path: Path) -> None:
    """Executes a Python file as a module named like it, so that runs with its components can be loaded.

    Its functions and classes become nameable, as those of the module and as those of a notebook (``__main__``).

    Raises:
      InvalidInput: there is no such file, it raises an exception, or a module of its name is loaded already.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InvalidInput(f"--import was given {path}: expected a Python file, such as mine.py.")
    module = sys.modules.get(path.stem)
    if module is None:
        module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        sys.path.append(str(path.resolve().parent))  # where it imports its neighbours from
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[path.stem]
            raise InvalidInput(
                f"--import was given {path}, which failed ({type(error).__name__}: {first_line(error)}): mend it."
            ) from error
    elif not path.samefile(getattr(module, "__file__", None) or "."):
        raise InvalidInput(f"--import was given {path}, and a module {path.stem} is loaded already: rename the file.")
    for value in vars(module).values():
        if callable(value) and getattr(value, "__module__", None) == module.__name__:
            register(value)
            _functions.setdefault(f"__main__:{value.__qualname__}", value)


def to_config(value: Any) -> Any:
    """A component as JSON-ready dicts, lists and numbers, each dict with the component's ``"type"``.

    Raises:
      InvalidInput: the value holds something that JSON cannot hold (an unregistered function, say, or infinity).
    """
    if dataclasses.is_dataclass(value) and type(value).__name__ in _components:
        fields = {field.name: to_config(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, (list, tuple)):
        return [to_config(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_config(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return to_config(np.asarray(value).tolist())
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if callable(value) and _functions.get(_name_of(value)) is value:
        return {"type": "function", "name": _name_of(value)}
    raise InvalidInput(
        f"a configuration cannot hold {value!r}: expected finite numbers, names or components made by @component."
    )


def from_config(config: Any) -> Any:
    """The component that :func:`to_config` described; only constructors of components are executed.

    Raises:
      InvalidInput: an unknown type, or a key that the component does not use, each with the nearest known name; a
        missing key that has no default.

    Example:
      >>> from_config({"type": "Masking", "probability": 0.5})
      Masking(probability=0.5)
    """
    if isinstance(config, list):
        return tuple(from_config(item) for item in config)
    if not isinstance(config, dict):
        return config
    if "type" not in config:
        return {key: from_config(item) for key, item in config.items()}
    if config["type"] == "function":
        if not isinstance(config.get("name"), str) or config["name"] not in _functions:
            raise InvalidInput(
                f"the configuration names the function {config.get('name')!s:.200}, which this process does not know: "
                "call from_nnx with that function first; on the command line give its file by --import FILE.py, which "
                "executes it."
            )
        return _functions[config["name"]]
    _require_component(config["type"])
    cls = _components[config["type"]]
    names = [field.name for field in dataclasses.fields(cls)]
    for key in config:
        if key != "type":
            require_known(f"key of {config['type']}", key, names)
    required = [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
    if missing := [name for name in required if name not in config]:
        raise InvalidInput(
            f"the configuration of {config['type']} has no {', '.join(missing)}: expected a value of each."
        )
    return cls(**{key: from_config(item) for key, item in config.items() if key != "type"})


def _require_component(name: Any) -> None:
    """Raises a sentence for what is not the name of a component."""
    if isinstance(name, str) and name in _components:
        return
    near = difflib.get_close_matches(f"{name}", _components, n=1, cutoff=0.8)
    raise InvalidInput(
        f"unknown component {f'{name!s:.50}'!r}: "
        + (f"did you mean {near[0]!r}? Otherwise " if near else "")
        + "import the file that defines this class first, on the command line by --import FILE.py, which executes it."
    )
