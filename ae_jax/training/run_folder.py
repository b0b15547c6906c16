"""Reads and writes the folder of a run.

configuration.json and history.json say how the run was trained and how it went; params.safetensors holds the parameters
and the other variables of the model by name, every array with a leading member axis; SHA256SUMS holds the digests of
the three, in the format of ``sha256sum``. NumPy reads a run without this package::

    import json, pathlib
    from safetensors.numpy import load_file
    arrays = load_file("runs/digits/params.safetensors")
    kernel, bias = (arrays[f"params.networks.encoder.0.{name}"][0] for name in ("kernel", "bias"))
    members = json.loads(pathlib.Path("runs/digits/configuration.json").read_text())["members"]
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save

from ae_jax.atomic import replacing
from ae_jax.components import from_config
from ae_jax.data import DataSpec
from ae_jax.errors import InvalidInput, first_line
from ae_jax.models import Autoencoder
from ae_jax.training.population import stack
from ae_jax.types import ModelState, Params, Shape

RUN_FORMAT = 4
"""Version of the layout of a run's folder."""

_CONFIGURATION, _HISTORY, _ARRAYS, _DIGESTS = "configuration.json", "history.json", "params.safetensors", "SHA256SUMS"
_RUN = (_CONFIGURATION, _HISTORY, _ARRAYS)
SAMPLERS = "samplers"
"""Folder of the fitted samplers, each a folder with a run for each member."""

_BESIDE = ("results.json", "report.html", SAMPLERS)
"""Files that ae-jax train and sample add to the folder of a run."""

History = dict[str, dict[str, np.ndarray]]


def require_replaceable(folder: Path) -> None:
    """Raises InvalidInput if a folder holds anything but a run, or is the current folder."""
    if not folder.exists():
        return
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InvalidInput(f"{folder} is the current folder or holds it: expected a folder that may be replaced.")
    found: set[str | None] = {None}
    if folder.is_dir():
        found = {entry.name if entry.is_file() or entry.name == SAMPLERS else None for entry in folder.iterdir()}
    if found and not {*_RUN, _DIGESTS} <= found <= {*_RUN, _DIGESTS, *_BESIDE}:
        raise InvalidInput(f"{folder} exists and is no run: expected a new folder or one to replace.")


def write_run(folder: Path, configuration: dict[str, Any], history: History, params: Params, state: ModelState) -> Path:
    """Writes a run atomically into a folder that passes :func:`require_replaceable`, and returns the folder."""
    leaves = named_leaves({"params": params, "state": state})
    arrays = {name: np.ascontiguousarray(leaf) for name, leaf in leaves.items()}
    rows = jax.tree.map(lambda values: np.where(np.isfinite(values), values, np.array(None)).tolist(), history)
    with replacing(folder) as scratch:
        scratch.mkdir()
        (scratch / _CONFIGURATION).write_text(json.dumps(configuration, indent=2, allow_nan=False))
        (scratch / _HISTORY).write_text(json.dumps(rows, allow_nan=False))
        (scratch / _ARRAYS).write_bytes(save(arrays))  # save_file has errors of its own for a full disk
        (scratch / _DIGESTS).write_text("".join(_digest_line(scratch / name) for name in _RUN))
    return folder


def read_run(folder: Path) -> dict[str, Any]:
    """Reads what :func:`write_run` wrote, as the fields of a :class:`ae_jax.Run`.

    The digests are checked before anything is parsed, and no code is executed but the constructors of components.

    Raises:
      InvalidInput: the folder holds no run, one of another format, or a damaged one.
    """
    if not (folder / _CONFIGURATION).is_file() and not (folder / _DIGESTS).is_file():
        raise InvalidInput(f"{folder} is no run: expected a folder with {_CONFIGURATION}, as ae-jax train writes it.")
    try:
        _require_undamaged(folder)
        configuration, history = (json.loads((folder / name).read_text()) for name in (_CONFIGURATION, _HISTORY))
        if configuration["format"] != RUN_FORMAT:
            raise InvalidInput(
                f"the run in {folder} has format {configuration['format']!r:.80}: expected format {RUN_FORMAT}; use "
                "the version that wrote it, or train anew."
            )
        return _fields(folder, configuration, history)
    except InvalidInput:
        raise
    except Exception as error:  # the content of damaged files decides which error it is
        raise InvalidInput(f"the run in {folder} is damaged ({first_line(error)}): train it anew.") from error


def _require_undamaged(folder: Path) -> None:
    """Raises an error that names the first file that is not what was written."""
    written = (folder / _DIGESTS).read_text().splitlines(keepends=True) if (folder / _DIGESTS).is_file() else []
    for name in _RUN:
        if not (folder / name).is_file():
            reason = f"{name} is missing"
        elif _digest_line(folder / name) not in written:
            reason = f"{name} is not what was written"
        else:
            continue
        raise InvalidInput(
            f"the run in {folder} is damaged ({reason}, says {_DIGESTS}): restore it from a copy, or train anew."
        )


def _digest_line(path: Path) -> str:
    with path.open("rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n"


def _fields(folder: Path, configuration: dict[str, Any], history: Any) -> dict[str, Any]:
    members, data = configuration["members"], from_config(configuration["data"])
    autoencoders = [from_config(member["autoencoder"]) for member in members]
    for value, kind in ((data, DataSpec), *((one, Autoencoder) for one in autoencoders)):
        if not isinstance(value, kind):
            raise ValueError(f"{value!r:.80} is no {kind.__name__}")
    population = stack(autoencoders)
    return {
        "autoencoder": population,
        "seeds": np.array([member["seed"] for member in members], np.uint32),
        "data": data,
        **_read_variables(folder / _ARRAYS, population, data.shape, len(members)),
        "history": {
            split: {term: np.array(rows, np.float32) for term, rows in terms.items()}
            for split, terms in history.items()
        },
        "best_epoch": np.array([member["best_epoch"] for member in members]),
        "finite": np.array([member["finite"] for member in members]),
        **{name: configuration[name] for name in ("settings", "record", "single")},
    }


def _read_variables(path: Path, autoencoder: Autoencoder, shape: Shape, members: int) -> dict[str, Any]:
    """Reads the trees ``params`` and ``state`` of a population."""
    params, state = jax.eval_shape(
        jax.vmap(lambda one, seed: one.init(shape, jax.random.key(seed))), autoencoder, jnp.arange(members)
    )
    abstract, arrays = {"params": params, "state": state}, load_file(path)
    expected = named_leaves(abstract)
    if wrong := misfits(arrays, expected):
        raise InvalidInput(
            f"the arrays in {path} do not fit the run's configuration ({', '.join(wrong[:4]):.200}): another "
            "version wrote it; use that one, or train anew."
        )
    return jax.tree.unflatten(jax.tree.structure(abstract), [jnp.asarray(arrays[name]) for name in expected])


def misfits(arrays: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The sorted names of arrays that are missing, are not expected, or have another shape or type."""
    return sorted(
        name
        for name in {*arrays, *expected}
        if name not in arrays
        or name not in expected
        or (arrays[name].shape, arrays[name].dtype) != (expected[name].shape, expected[name].dtype)
    )


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their path, in their order.

    Example:
      >>> named_leaves({"encoder": [{"kernel": 1, "bias": 2}]})
      {'encoder.0.bias': 2, 'encoder.0.kernel': 1}
    """
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
