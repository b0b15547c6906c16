"""Exports the encoder and the decoder of a run, each as a file that needs no part of this package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import numpy as np

from ae_jax._checks import shown
from ae_jax.atomic import replacing
from ae_jax.errors import InvalidInput, import_extra, require_known
from ae_jax.networks import code_shape, deterministic

Format = Literal["onnx", "jax"]
"""ONNX, for every ONNX runtime; StableHLO with its weights by ``jax.export``, for JAX alone."""


def export(run: Any, folder: str | Path, kind: Format = "onnx") -> tuple[Path, Path]:
    """Writes ``encoder`` and ``decoder`` of a run with one member into a folder, as ``.onnx`` or ``.jax`` files.

    The encoder maps examples in the units of the data, as 32-bit floats ``[batch, *shape]``, to codes; of a stochastic
    encoder, to posterior means. The decoder maps codes to reconstructions in the units of the data. Conditional
    networks take class numbers ``[batch]`` as a second input. Every number of examples is accepted.

    Returns:
      The paths of the encoder and of the decoder.

    Raises:
      InvalidInput: an unknown format, several members, a network with an operation that ONNX has no translation of, or
        the extra ``onnx`` is not installed.
    """
    require_known("format of an export", kind, get_args(Format))
    if len(run) > 1:
        raise InvalidInput(f"export was given a run of {len(run)} members: expected one, such as run[0].")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"export was given {shown(str(folder))}, which is a file: expected a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {"encoder": run.shape, "decoder": code_shape(run.autoencoder.networks)}
    made = {part: _written(_function(run, part), shape, run, part, kind) for part, shape in shapes.items()}
    for part, content in made.items():
        with replacing(folder / f"{part}.{kind}") as scratch:
            scratch.write_bytes(content)
    return folder / f"encoder.{kind}", folder / f"decoder.{kind}"


def _written(function: Callable[..., Any], shape: tuple[int, ...], run: Any, part: str, kind: Format) -> bytes:
    conditional = getattr(run.autoencoder.networks, "condition", None) is not None
    if kind == "onnx":
        from ae_jax.export.onnx import to_onnx

        names = ("x" if part == "encoder" else "code", *(("condition",) if conditional else ()))
        output = "code" if part == "encoder" else "reconstruction"
        return to_onnx(function, shape, names, output, f"the {part} of {run.name}")
    import_extra("flatbuffers", "onnx", "export for JAX")
    (batch,) = jax.export.symbolic_shape("batch")
    inputs = [jax.ShapeDtypeStruct((batch, *shape), np.float32)]
    inputs += [jax.ShapeDtypeStruct((batch,), np.int32)] if conditional else []
    return bytes(jax.export.export(jax.jit(function), platforms=("cpu", "cuda", "rocm", "tpu"))(*inputs).serialize())


def _function(run: Any, part: str) -> Callable[..., Any]:
    """The encoder or the decoder of the only member, as a function of a batch and perhaps its class numbers."""
    params, state = jax.device_put(jax.tree.map(lambda leaf: np.asarray(leaf)[0], (run.params, run.state)))
    member = run.members[0]

    def apply(x: Any, condition: Any = None) -> Any:
        model = member.bind(run.shape, params, state)
        model.condition = condition
        if part == "encoder":
            return deterministic(model.encode(run.scaling(x)))
        return run.scaling.invert(member.objective.likelihood.mean(model.decode(x)))

    return apply
