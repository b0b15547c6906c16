"""Reads ``.mat`` files of MATLAB, up to version 7."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.data.damage import reading
from ae_jax.errors import InvalidInput, unknown

_EXPECTED = "a .mat file of MATLAB, as save -v7 writes it"
_NO_ARRAYS = ("cell", "struct", "object", "opaque", "function", "char")


def read_mat(
    path: Path, *, key: str | None = None, label: str | None = None, transpose: bool = False
) -> dict[str, RawData]:
    """Reads examples and labels of a ``.mat`` file; sparse matrices become dense.

    Args:
      path: of the file.
      key: name of the examples; by default the only numeric variable with more than one example.
      label: name of the labels, one for each example or one-hot ``[examples, classes]``; by default there are none.
      transpose: whether the examples are along the last axis.
    """
    from scipy import io

    variables = _variables(path)
    names = [_examples(variables, key, label, path, transpose), *([] if label is None else [label])]
    for name in names:
        if name not in variables:
            raise unknown(f"variable of {path}", name, variables)
        if variables[name][1] in _NO_ARRAYS and (name != label or variables[name][1] != "char"):
            raise InvalidInput(f"{name} in {path} is a {variables[name][1]}: expected an array of numbers.")
    with reading(path, _EXPECTED), warnings.catch_warnings():
        # SciPy announces another class for sparse matrices, which makes no difference as they become dense.
        warnings.filterwarnings("ignore", ".*spmatrix", DeprecationWarning)
        arrays = io.loadmat(path, variable_names=names)
        x, *labels = [_dense(arrays[name]) for name in names]
    x = np.moveaxis(x, -1, 0) if transpose else x
    return {"all": RawData(x, _labels(labels[0], len(x), f"{label} in {path}") if labels else None)}


def variable_names(path: Path) -> tuple[str, ...]:
    """Names of the variables of a ``.mat`` file."""
    return tuple(_variables(path))


def _variables(path: Path) -> dict[str, tuple]:
    from scipy import io

    try:
        with reading(path, _EXPECTED):
            return {name: (shape, kind) for name, shape, kind in io.whosmat(path)}
    except InvalidInput as error:
        if isinstance(error.__cause__, NotImplementedError):
            raise InvalidInput(f"{path} is of MATLAB's version 7.3: expected 7 or before; save it by -v7.") from error
        raise


def _examples(variables: dict[str, tuple], key: str | None, label: str | None, path: Path, transpose: bool) -> str:
    if key is not None:
        return key
    possible = [
        name
        for name, (shape, kind) in variables.items()
        if kind not in _NO_ARRAYS and len(shape) > 1 and shape[-1 if transpose else 0] > 1 and name != label
    ]
    if len(possible) != 1:
        there = ", ".join(f"{name} {tuple(shape)}" for name, (shape, _) in variables.items())
        raise InvalidInput(
            f"{path} holds {there or 'nothing'}: expected one array of examples; name it as {path.name}:NAME, and any "
            "labels with --label."
        )
    return possible[0]


def _dense(array: Any) -> np.ndarray:
    return np.asarray(array.toarray() if hasattr(array, "toarray") else array)


def _labels(array: np.ndarray, count: int, what: str) -> np.ndarray:
    """One label for each example, from a row, a column or a one-hot matrix."""
    if array.size == count and max(array.shape, default=1) == count:
        return array.reshape(-1)
    if array.ndim == 2 and len(array) == count and ((array == 1).sum(1) == 1).all() and np.isin(array, (0, 1)).all():
        return array.argmax(1)
    raise InvalidInput(
        f"{what} has shape {array.shape}: expected one label for each of {count} examples, as a row, a column, or "
        "one-hot with a single 1 in each row."
    )
