"""Translates a function that JAX traced to an ONNX graph, primitive by primitive."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

from ae_jax.errors import InvalidInput, import_extra
from ae_jax.export.primitives import INLINED, NAMED, TRANSLATIONS

OPSET, IR = 18, 9

BATCH = 7919
"""The number of examples that a function is traced for: axes of multiples of this prime are those of the batch."""


def to_onnx(
    function: Callable[..., Any], shape: tuple[int, ...], names: Sequence[str], output: str, owner: str
) -> bytes:
    """The ONNX model of a function of a batch, whose number of examples is free.

    Args:
      function: ``[batch, *shape]`` and, with a second name, class numbers ``[batch]``, to ``[batch, *rest]``.
      shape: of one example.
      names: of the inputs.
      output: its name.
      owner: what the function is, for errors.

    Raises:
      InvalidInput: an operation without a translation, or onnx is not installed.
    """
    onnx = import_extra("onnx", "onnx", "export to ONNX")
    inputs = [jax.ShapeDtypeStruct((BATCH, *shape), np.float32), jax.ShapeDtypeStruct((BATCH,), np.int32)]
    inputs = inputs[: len(names)]
    closed = jax.make_jaxpr(function)(*inputs)
    graph = Graph(names[0], owner)
    (result,) = graph.run(closed.jaxpr, closed.consts, names)
    graph.nodes.append(onnx.helper.make_node("Identity", [graph.name(result)], [output]))

    def described(name: str, aval: Any) -> Any:
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(aval.dtype))
        return onnx.helper.make_tensor_value_info(name, kind, ["batch", *aval.shape[1:]])

    made = onnx.helper.make_graph(
        graph.nodes,
        "ae_jax",
        [described(name, value) for name, value in zip(names, inputs, strict=True)],
        [described(output, closed.out_avals[0])],
        graph.initializers,
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(made, opset_imports=opsets, ir_version=IR, producer_name="ae_jax")
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _needed(jaxpr: Any) -> list[Any]:
    """The equations on which the outputs depend, such as not those of a posterior's scale, in their order."""
    needed, kept = {variable for variable in jaxpr.outvars if not isinstance(variable, Literal)}, []
    for equation in reversed(jaxpr.eqns):
        if not needed.isdisjoint(equation.outvars):
            kept.append(equation)
            needed |= {variable for variable in equation.invars if not isinstance(variable, Literal)}
    return kept[::-1]


class Graph:
    """An ONNX graph that grows equation by equation.

    A value is the name of a tensor, or an array where it does not depend on the input.

    Attributes:
      nodes, initializers: of the graph.
      owner: what it computes, for errors.
    """

    def __init__(self, batched: str, owner: str):
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.owner, self._batched, self._size, self._count = owner, batched, None, 0

    def run(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """Adds the equations of a jaxpr, and returns the values of its outputs."""
        values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def read(variable: Any) -> Any:
            if isinstance(variable, Literal):
                return np.asarray(variable.val, variable.aval.dtype)  # pyright: ignore[reportAttributeAccessIssue]
            return values[variable]

        for equation in _needed(jaxpr):
            made = self._equation(equation, list(map(read, equation.invars)))
            values.update(zip(equation.outvars, made, strict=True))
        return [read(variable) for variable in jaxpr.outvars]

    def _equation(self, equation: Any, given: list[Any]) -> list[Any]:
        primitive, params = equation.primitive, equation.params
        name = primitive.name
        if name in INLINED and params.get("name") in NAMED:
            return [NAMED[params["name"]](self, equation, given)]
        if name == "platform_index":  # of the branch for platforms that are not named
            return [np.asarray([each is None for each in params["platforms"]].index(True), np.int32)]
        if name in INLINED or (name == "cond" and not isinstance(given[0], str)):
            inner = INLINED[name](params) if name in INLINED else params["branches"][int(given.pop(0))]
            return self.run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), given)
        shapes = [variable.aval.shape for variable in equation.outvars]
        if not any(isinstance(value, str) for value in given) and not any(map(is_batched, shapes)):
            found = primitive.bind(*given, **params)
            return found if primitive.multiple_results else [found]
        if name not in TRANSLATIONS:
            raise InvalidInput(
                f"{self.owner} uses the operation {name}, which has no translation to ONNX: export it as 'jax'."
            )
        made = TRANSLATIONS[name](self, equation, given)
        return made if isinstance(made, list) else [made]

    def refuse(self, what: str) -> None:
        """Raises the sentence about something that has no translation."""
        raise InvalidInput(f"{self.owner} uses {what}, which has no translation to ONNX: export it as 'jax'.")

    def name(self, value: Any) -> str:
        """The name of a value, which becomes an initializer where it is an array."""
        from onnx import numpy_helper

        if isinstance(value, str):
            return value
        self._count += 1
        name = f"c{self._count}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Adds a node, and returns the name of its output, or of each of several."""
        from onnx import helper

        names = [f"v{self._count + number + 1}" for number in range(outputs)]
        self._count += outputs
        self.nodes.append(helper.make_node(kind, [self.name(value) for value in inputs], names, **attributes))
        return names[0] if outputs == 1 else names

    def ints(self, values: Any) -> np.ndarray:
        """Numbers that a node takes as an input."""
        return np.asarray(values, np.int64)

    def shape(self, dims: Sequence[int]) -> Any:
        """A shape as an input of a node: the axes of the batch are those of the graph's input."""
        if not is_batched(dims):
            return self.ints(dims)
        if self._size is None:
            self._size = self.node("Slice", self.node("Shape", self._batched), self.ints([0]), self.ints([1]))
        parts = [
            self.node("Mul", self._size, self.ints([dim // BATCH])) if is_batched([dim]) else self.ints([dim])
            for dim in dims
        ]
        return self.node("Concat", *parts, axis=0)

    def reshape(self, value: Any, dims: Sequence[int]) -> str:
        """A value in another shape."""
        several = sum(is_batched([dim]) for dim in dims) > 1
        target = self.shape(dims) if several else self.ints([-1 if is_batched([dim]) else dim for dim in dims])
        return self.node("Reshape", value, target)


def is_batched(dims: Sequence[int]) -> bool:
    """Whether one of the axes is that of the batch, or a multiple."""
    return any(dim > 0 and dim % BATCH == 0 for dim in dims)
