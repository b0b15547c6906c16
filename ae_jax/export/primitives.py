"""The translation of each of JAX's primitives that networks use to nodes of ONNX."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Translation = Callable[[Any, Any, list[Any]], Any]
"""Adds the nodes of an equation to a graph: ``(graph, equation, values) -> value``, or a list of several."""

INLINED: dict[str, Callable[[dict[str, Any]], Any]] = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "remat", "checkpoint"), lambda params: params["jaxpr"]),
    "custom_jvp_call": lambda params: params["call_jaxpr"],
    "custom_vjp_call": lambda params: params["call_jaxpr"] if "call_jaxpr" in params else params["fun_jaxpr"],
}
"""Primitives that call a jaxpr, and where it is."""

_DIRECT = {
    **{"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow", "neg": "Neg"},
    **{"abs": "Abs", "sign": "Sign", "exp": "Exp", "log": "Log", "tanh": "Tanh", "logistic": "Sigmoid", "erf": "Erf"},
    **{"sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "tan": "Tan", "floor": "Floor", "ceil": "Ceil", "eq": "Equal"},
    **{"sinh": "Sinh", "cosh": "Cosh", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual"},
}
_REDUCTIONS = {f"reduce_{name}": f"Reduce{name.capitalize()}" for name in ("sum", "max", "min", "prod")}
_LOGIC = {"and": "And", "or": "Or", "not": "Not", "xor": "Xor"}


def _one(graph: Any, equation: Any, given: list[Any], kind: str) -> str:
    return graph.node(kind, *given)


def _number(equation: Any, value: float | int) -> np.ndarray:
    """A constant of the type of an equation's first operand."""
    return np.asarray(value, equation.invars[0].aval.dtype)


def _logic(graph: Any, equation: Any, given: list[Any], kind: str) -> str:
    return graph.node(kind if equation.invars[0].aval.dtype == bool else f"Bitwise{kind}", *given)


def _halved(graph: Any, equation: Any, given: list[Any]) -> str:
    """A whole number without its last bits: the rest goes before the division, which truncates."""
    power = graph.node("Pow", _number(equation, 2), given[1])
    return graph.node("Div", graph.node("Sub", given[0], graph.node("Mod", given[0], power)), power)


def _round(graph: Any, equation: Any, given: list[Any]) -> str:
    if equation.params["rounding_method"].name != "TO_NEAREST_EVEN":
        graph.refuse("rounding of halves away from zero")
    return graph.node("Round", given[0])


def _reduction(graph: Any, equation: Any, given: list[Any], kind: str) -> str:
    return graph.node(kind, given[0], graph.ints(equation.params["axes"]), keepdims=0)


def _extreme(graph: Any, equation: Any, given: list[Any], kind: str) -> str:
    found = graph.node(kind, given[0], axis=equation.params["axes"][0], keepdims=0)
    return _cast(graph, found, equation.params["index_dtype"])


def _cast(graph: Any, value: Any, dtype: Any) -> str:
    from onnx import helper

    return graph.node("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _reshape(graph: Any, equation: Any, given: list[Any]) -> str:
    return graph.reshape(given[0], equation.outvars[0].aval.shape)


def _broadcast(graph: Any, equation: Any, given: list[Any]) -> str:
    before, shape = equation.invars[0].aval.shape, equation.params["shape"]
    aligned = [1] * len(shape)
    for axis, place in enumerate(equation.params["broadcast_dimensions"]):
        aligned[place] = before[axis]
    value = given[0] if tuple(aligned) == before else graph.reshape(given[0], aligned)
    return value if tuple(aligned) == tuple(shape) else graph.node("Expand", value, graph.shape(shape))


def _slice(graph: Any, equation: Any, given: list[Any]) -> str:
    params, shape = equation.params, equation.invars[0].aval.shape
    limits, last = zip(params["limit_indices"], shape, strict=True), np.iinfo(np.int64).max
    ends = [last if end == size else end for end, size in limits]
    bounds = (params["start_indices"], ends, range(len(shape)), params["strides"] or [1] * len(shape))
    return graph.node("Slice", given[0], *map(graph.ints, bounds))


def _rev(graph: Any, equation: Any, given: list[Any]) -> str:
    axes = equation.params["dimensions"]
    bounds = ([-1] * len(axes), [np.iinfo(np.int64).min] * len(axes), axes, [-1] * len(axes))
    return graph.node("Slice", given[0], *map(graph.ints, bounds))


def _pad(graph: Any, equation: Any, given: list[Any]) -> str:
    low, high, inside = zip(*equation.params["padding_config"], strict=True)
    if any(inside):
        graph.refuse("padding between elements")
    return graph.node("Pad", given[0], graph.ints([*low, *high]), given[1])


def _split(graph: Any, equation: Any, given: list[Any]) -> list[str]:
    sizes = equation.params["sizes"]
    made = graph.node("Split", given[0], graph.ints(sizes), axis=equation.params["axis"], outputs=len(sizes))
    return made if isinstance(made, list) else [made]


def _dot(graph: Any, equation: Any, given: list[Any]) -> str:
    """A product of matrices where it is one, else an Einsum."""
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    ranks = [variable.aval.ndim for variable in equation.invars]
    if not left_batch and tuple(left) == (ranks[0] - 1,) and tuple(right) == (0,) and ranks[1] == 2:
        return graph.node("MatMul", *given)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first = [next(letters) for _ in range(ranks[0])]
    second = [next(letters) for _ in range(ranks[1])]
    for ours, theirs in zip((*left, *left_batch), (*right, *right_batch), strict=True):
        second[theirs] = first[ours]
    out = [first[axis] for axis in left_batch]
    out += [each for axis, each in enumerate(first) if axis not in (*left, *left_batch)]
    out += [each for axis, each in enumerate(second) if axis not in (*right, *right_batch)]
    return graph.node("Einsum", *given, equation=f"{''.join(first)},{''.join(second)}->{''.join(out)}")


def _convolution(graph: Any, equation: Any, given: list[Any]) -> str:
    params = equation.params
    if params["batch_group_count"] != 1 or any(step != 1 for step in params["lhs_dilation"]):
        graph.refuse("a transposed or grouped convolution")
    lhs, rhs, out = params["dimension_numbers"]
    low, high = zip(*params["padding"], strict=True)
    found = graph.node(
        "Conv",
        graph.node("Transpose", given[0], perm=lhs),
        graph.node("Transpose", given[1], perm=rhs),
        strides=params["window_strides"],
        dilations=params["rhs_dilation"],
        pads=[*low, *high],
        group=params["feature_group_count"],
    )
    return graph.node("Transpose", found, perm=np.argsort(out).tolist())


def _gather(graph: Any, equation: Any, given: list[Any]) -> str:
    """Rows of a table by their numbers."""
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    table, rows = (variable.aval for variable in equation.invars)
    last = tuple(range(rows.ndim - 1, rows.ndim - 1 + table.ndim - 1))
    of_rows = tuple(numbers.collapsed_slice_dims) == tuple(numbers.start_index_map) == (0,)
    if not of_rows or tuple(sizes) != (1, *table.shape[1:]) or tuple(numbers.offset_dims) != last:
        graph.refuse("indexing other than by rows")
    return graph.node("Gather", given[0], graph.reshape(given[1], rows.shape[:-1]), axis=0)


def _largest(graph: Any, equation: Any, given: list[Any]) -> str:
    """The largest numbers of each row at their places."""
    shape = equation.invars[0].aval.shape
    values, places = graph.node("TopK", given[0], graph.ints([int(given[1])]), axis=-1, outputs=2)
    zeros = graph.node("Expand", _number(equation, 0.0), graph.shape(shape))
    return graph.node("ScatterElements", zeros, places, values, axis=1)


def _on_first(graph: Any, equation: Any, given: list[Any], kind: str, kind_of_first: str) -> str:
    return graph.node(kind, graph.node(kind_of_first, *given))


NAMED: dict[str, Translation] = {"_largest_of_rows": _largest}
"""Functions that are translated as a whole, by their names."""

TRANSLATIONS: dict[str, Translation] = {
    **{name: partial(_one, kind=kind) for name, kind in _DIRECT.items()},
    **{name: partial(_logic, kind=kind) for name, kind in _LOGIC.items()},
    **{name: partial(_reduction, kind=kind) for name, kind in _REDUCTIONS.items()},
    "argmin": partial(_extreme, kind="ArgMin"),
    "argmax": partial(_extreme, kind="ArgMax"),
    "ne": partial(_on_first, kind="Not", kind_of_first="Equal"),
    "rsqrt": partial(_on_first, kind="Reciprocal", kind_of_first="Sqrt"),
    "square": lambda graph, equation, given: graph.node("Mul", given[0], given[0]),
    "integer_pow": lambda graph, equation, given: graph.node("Pow", given[0], _number(equation, equation.params["y"])),
    "expm1": lambda graph, equation, given: graph.node("Sub", graph.node("Exp", given[0]), _number(equation, 1)),
    "log1p": lambda graph, equation, given: graph.node("Log", graph.node("Add", given[0], _number(equation, 1))),
    "erfc": lambda graph, equation, given: graph.node("Sub", _number(equation, 1), graph.node("Erf", given[0])),
    "rem": lambda graph, equation, given: graph.node("Mod", *given, fmod=1),
    "round": _round,
    "shift_right_arithmetic": _halved,
    "clamp": lambda graph, equation, given: graph.node("Min", graph.node("Max", given[1], given[0]), given[2]),
    "select_n": lambda graph, equation, given: graph.node("Where", given[0], given[2], given[1]),
    "stop_gradient": lambda graph, equation, given: given[0],
    "copy": lambda graph, equation, given: given[0],
    "convert_element_type": lambda graph, equation, given: _cast(graph, given[0], equation.params["new_dtype"]),
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "broadcast_in_dim": _broadcast,
    "transpose": lambda graph, equation, given: graph.node("Transpose", given[0], perm=equation.params["permutation"]),
    "concatenate": lambda graph, equation, given: graph.node("Concat", *given, axis=equation.params["dimension"]),
    "cumsum": lambda graph, equation, given: graph.node(
        "CumSum", given[0], np.asarray(equation.params["axis"], np.int64), reverse=int(equation.params["reverse"])
    ),
    "slice": _slice,
    "rev": _rev,
    "pad": _pad,
    "split": _split,
    "dot_general": _dot,
    "conv_general_dilated": _convolution,
    "gather": _gather,
}
