"""A run on disk: what lies where in its folder, written whole and read with suspicion.

configuration.json and history.json are for people, params holds the arrays by name, digests.json seals them all.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax.components import from_config
from ae_jax.data import DataSpec, ReadOptions, Scaling
from ae_jax.errors import InvalidInput, first_line
from ae_jax.models import Autoencoder
from ae_jax.training.checkpoint import read_arrays, write_arrays
from ae_jax.training.integrity import SEAL, force_entries, read_json, require_sealed, seal
from ae_jax.training.population import stack
from ae_jax.types import ModelState, Params, Shape

FORMAT = 3
"""Version of the layout that :func:`write_run` writes."""

_CONFIGURATION, _HISTORY, _PARAMETERS = "configuration.json", "history.json", "params"
_BESIDE = ("results.json", "report.html")
"""What ae-jax train writes into the folder of its run, and may write anew; no part of the run."""

_FILES = {_CONFIGURATION, _HISTORY, SEAL, *_BESIDE}

History = dict[str, dict[str, np.ndarray]]


def require_replaceable(folder: Path) -> None:
    """Raises where :func:`write_run` may not write over what is in a folder.

    Raises:
      InvalidInput: the folder holds anything that is no part of a run, or is where the process works.
    """
    if not folder.exists():
        return
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InvalidInput(f"{folder} is the current folder or holds it: expected a folder that may be replaced.")
    if not (folder.is_dir() and (not any(folder.iterdir()) or _is_run(folder))):
        raise InvalidInput(f"{folder} exists and is no run: expected a new folder or one to replace.")


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a run and nothing that somebody else may have put there."""
    for entry in folder.iterdir():
        if not (entry.is_dir() if entry.name == _PARAMETERS else entry.name in _FILES and entry.is_file()):
            return False
    try:
        configuration = read_json(folder / _CONFIGURATION)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(configuration, dict) and {"format", "members"} <= configuration.keys()


def write_run(folder: Path, configuration: dict[str, Any], history: History, params: Params, state: ModelState) -> Path:
    """Writes a run beside its folder and moves it into place, so that the folder is whole or as it was.

    Args:
      folder: one that :func:`require_replaceable` lets pass.
      configuration: ready for JSON.
      history: split -> term -> ``[members, epochs]``.
      params, state: every leaf with a leading member axis.

    Returns:
      The folder.

    Raises:
      InvalidInput: the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        new, older = scratch / "run", scratch / "replaced"
        try:
            write_arrays(new / _PARAMETERS, _flatten({"params": params, "state": state}))
            (new / _CONFIGURATION).write_text(json.dumps(configuration, indent=2, allow_nan=False))
            (new / _HISTORY).write_text(json.dumps(_without_nan(history), allow_nan=False))
            seal(new)
            _move(new, folder, older)
        finally:
            if folder.exists() or not older.exists():  # else the older run lies nowhere but here
                shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written ({error.strerror or error}): choose another folder.") from error
    return folder


def _move(new: Path, folder: Path, older: Path) -> None:
    """Moves a folder into the place of another, which is put back where that fails."""
    try:
        if folder.exists():
            folder.replace(older)
        new.replace(folder)
        force_entries(folder.parent)
    except BaseException:
        if older.exists() and not folder.exists():
            older.replace(folder)
        raise


def _left(folder: Path) -> list[Path]:
    """The run that a process left beside its folder, where it was killed between the two moves of :func:`_move`."""
    beside = list(folder.parent.iterdir()) if not folder.exists() and folder.parent.is_dir() else []
    scratches = [path for path in beside if path.name.startswith(f".{folder.name}-")]
    return [path / "run" for path in scratches if (path / "replaced").is_dir() and (path / "run" / SEAL).is_file()]


def read_run(folder: Path) -> dict[str, Any]:
    """What :func:`write_run` wrote, as the fields of a :class:`ae_jax.Run`.

    The seal is looked at before anything else. Nothing of what the files say is executed but the constructors of
    components, and no path is taken from them.

    Raises:
      InvalidInput: no run there, one of another format, or a damaged one.
    """
    if not (folder / _CONFIGURATION).is_file() and not (folder / SEAL).is_file():
        left = "".join(f"; what a killed process did not come to move there is in {run}" for run in _left(folder))
        raise InvalidInput(
            f"{folder} is no run: expected a folder with {_CONFIGURATION}, as ae-jax train writes it{left}."
        )
    try:
        if not (folder / SEAL).exists():
            _require_format(folder, read_json(folder / _CONFIGURATION))
        require_sealed(folder, apart=_BESIDE)
        configuration, history = (read_json(folder / name) for name in (_CONFIGURATION, _HISTORY))
        _require_format(folder, configuration)
        return _fields(folder, configuration, history)
    except InvalidInput:
        raise
    except Exception as error:  # whoever damaged the files chose what goes wrong
        raise InvalidInput(f"the run in {folder} is damaged ({first_line(error)}): train it anew.") from error


def _require_format(folder: Path, configuration: Any) -> None:
    _require(isinstance(configuration, dict), "the configuration", configuration, "an object")
    version = configuration["format"]
    if version != FORMAT:
        what = "was written before runs were sealed" if version in (1, 2) else "is another version's"
        raise InvalidInput(
            f"the run in {folder} has format {version!r:.80}, which {what}: expected format {FORMAT}; "
            "use the version that wrote it, or train anew."
        )


def _fields(folder: Path, configuration: dict[str, Any], history: Any) -> dict[str, Any]:
    members = configuration["members"]
    _require(isinstance(members, list), "members", members, "a list")
    for member in members:
        _check_member(member)
    population = stack([_autoencoder(member["autoencoder"]) for member in members])
    settings, record, single = (configuration[key] for key in ("settings", "record", "single"))
    data = _description(configuration["data"])
    _require(isinstance(settings, dict), "settings", settings, "an object")
    _require(isinstance(record, dict), "record", record, "an object")
    _require(type(single) is bool and (len(members) == 1 or not single), "single", single, "true of one member only")
    return {
        "autoencoder": population,
        "seeds": np.array([member["seed"] for member in members], np.uint32),
        "data": data,
        **_read_variables(folder / _PARAMETERS, population, data.shape, len(members)),
        "history": _restored_history(history, len(members)),
        "best_epoch": np.array([member["best_epoch"] for member in members]),
        "finite": np.array([member["finite"] for member in members]),
        "settings": settings,
        "record": record,
        "single": single,
    }


def _check_member(member: Any) -> None:
    _require(isinstance(member, dict), "a member", member, "an object")
    seed, best_epoch, finite = (member[key] for key in ("seed", "best_epoch", "finite"))
    _require(type(seed) is int and 0 <= seed < 2**32, "seed", seed, "an integer from 0 to 2**32 - 1")
    _require(type(best_epoch) is int and 0 <= best_epoch < 2**31, "best_epoch", best_epoch, "an integer from 0 on")
    _require(type(finite) is bool, "finite", finite, "true or false")


def _autoencoder(config: Any) -> Autoencoder:
    autoencoder = from_config(config)
    _require(isinstance(autoencoder, Autoencoder), "a member's autoencoder", autoencoder, "an Autoencoder")
    return autoencoder


def _description(config: Any) -> DataSpec:
    _require(isinstance(config, dict), "data", config, "an object")
    shape, names = config["shape"], config["columns"]
    whole = isinstance(shape, list) and shape and all(type(size) is int and size > 0 for size in shape)
    _require(whole, "shape", shape, "integers above zero")
    _require(names is None or [len(names)] == shape, "columns", names, f"a name for each feature of {shape}")
    data = from_config(config)
    _require(isinstance(data, DataSpec), "data", data, "a DataSpec")
    _require(isinstance(data.scaling, Scaling), "scaling", data.scaling, "a Scaling")
    for name, kind in (("name", str), ("examples", dict), ("reading", ReadOptions)):
        _require(isinstance(getattr(data, name), kind), name, getattr(data, name), f"of type {kind.__name__}")
    for name in ("low", "high"):
        _require(np.isfinite(getattr(data, name)), name, getattr(data, name), "a finite number")
    known = ("BernoulliLikelihood", "GaussianLikelihood")
    _require(data.likelihood in known, "likelihood", data.likelihood, " or ".join(known))
    _require(np.dtype(data.dtype).kind in "buif", "dtype", data.dtype, "a type of numbers")
    for name in ("offset", "scale"):
        number = getattr(data.scaling, name)
        _require(np.shape(number) in ((), data.shape), name, np.shape(number), f"one number or one for each of {shape}")
    return data


def _restored_history(history: Any, members: int) -> History:
    _require(isinstance(history, dict), "the history", history, "an object")
    restored: History = {}
    for split, terms in history.items():
        _require(isinstance(terms, dict), f"the history of {split}", terms, "an object")
        restored[split] = {term: np.array(rows, np.float32) for term, rows in terms.items()}
        for term, values in restored[split].items():
            rows = f"the history of {term} ({split})"
            _require(values.ndim == 2 and len(values) == members, rows, terms[term], f"a row of each of {members}")
    return restored


def _require(fits: Any, what: str, found: Any, expected: str) -> None:
    if not fits:
        raise ValueError(f"{what} is {found!r:.80}: expected {expected}")


def _flatten(variables: dict[str, Any]) -> dict[str, np.ndarray]:
    paths, _ = jax.tree.flatten_with_path(variables)
    return {_path_name(path): np.asarray(leaf) for path, leaf in paths}


def _read_variables(folder: Path, autoencoder: Autoencoder, shape: Shape, members: int) -> dict[str, Any]:
    params, state = jax.eval_shape(
        jax.vmap(lambda one, seed: one.init(shape, jax.random.key(seed))), autoencoder, jnp.arange(members)
    )
    abstract = {"params": params, "state": state}
    paths, structure = jax.tree.flatten_with_path(abstract)
    arrays = read_arrays(folder, {_path_name(path): leaf.shape for path, leaf in paths})
    return jax.tree.unflatten(structure, [jnp.asarray(arrays[_path_name(path)]) for path, _ in paths])


def _path_name(path: Any) -> str:
    return ".".join(str(getattr(entry, "key", entry)) for entry in path)


def _without_nan(history: History) -> dict[str, Any]:
    return {
        split: {
            term: [[float(v) if np.isfinite(v) else None for v in row] for row in values]
            for term, values in terms.items()
        }
        for split, terms in history.items()
    }
