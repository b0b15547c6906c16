"""The state of a study beside its checkpoints: what it trains, whether it is finished, and the results of each run.

Each file is written as a whole with a digest of its contents; a file that was damaged counts as missing.
"""

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ae_jax.atomic import replacing, write_text
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import Evaluation, Row
from ae_jax.training import Run
from ae_jax.training.checkpoint import checkpoint_info, latest_checkpoint, remove_checkpoints
from ae_jax.training.continuation import Resume, differences

STATE, ROWS, EXAMPLES = "study.json", "answers.json", "examples.npz"
_KEYS = ("of", "rows", "findings", "examples", "cost")


def path_component(name: str) -> str:
    """Returns a name as one component of a path: no separators, control characters or leading dots.

    Example:
      >>> path_component("digits"), path_component("../a b/c"), path_component("..")
      ('digits', 'a-b-c', 'unnamed')
    """
    return re.sub(r"[^\w.+=,@-]+", "-", name).lstrip(".-")[:100] or "unnamed"


def begin_study(folder: Path, populations: Mapping[str, Any], *, resume: Resume) -> None:
    """Records the configurations that a study trains, or checks that the study in the folder is the one to resume.

    Raises:
      InvalidInput: the folder holds an unfinished study and ``resume`` is false, no study to extend, or checkpoints
        that cannot be read; or the study to resume trains something else.
    """
    before = read_state(folder / STATE, "populations", "finished")
    if before is None and resume == "extend":
        raise InvalidInput(
            f"{folder} holds no study: expected the one to extend; resume=True (on the command line --resume alone) "
            "starts anew where there is none."
        )
    if before is not None and any(name != path_component(name) for name in before["populations"]):
        raise InvalidInput(
            f"{folder / STATE} names folders outside of {folder}: expected the record of a study; remove it to start "
            "anew."
        )
    if before is not None and resume:
        if before["populations"].keys() != populations.keys():
            was, now = (", ".join(names) for names in (before["populations"], populations))
            different = f"its trainings are {was}, those asked for are {now}"
        else:
            different = differences(before["populations"], dict(populations))
        if different:
            raise InvalidInput(
                f"the study in {folder} cannot be resumed with other autoencoders ({different}): expected the same "
                f"ones; or remove {folder} to start again."
            )
        if resume != "extend":
            return
    elif before is not None:
        if not before["finished"]:
            _require_no_checkpoints(folder, list(before["populations"]))
        for name in before["populations"]:
            remove_checkpoints(folder / name)
            for kept in (ROWS, EXAMPLES):
                (folder / name / kept).unlink(missing_ok=True)
    write_state(folder / STATE, {"populations": dict(populations), "finished": False})


def _require_no_checkpoints(folder: Path, names: Sequence[str]) -> None:
    """Raises where an unfinished study has saved anything, or checkpoints that cannot be read."""
    saved = {
        name: info for name in names if (info := checkpoint_info(folder / name) or latest_checkpoint(folder / name))
    }
    if saved:
        finished = sum(bool(getattr(info, "finished", False)) for info in saved.values())
        raise InvalidInput(
            f"{folder} holds an unfinished study ({finished} of {len(names)} trainings are finished): resume it (on "
            "the command line --resume), or remove the folder to start again."
        )


def finish_study(folder: Path) -> None:
    """Records that every population of a study is trained and evaluated."""
    before = read_state(folder / STATE, "populations", "finished")
    if before is not None and not before["finished"]:
        write_state(folder / STATE, before | {"finished": True})


def forget_study(folder: Path, names: Sequence[str]) -> None:
    """Removes the record of a study that ended before anything was saved."""
    if not any(checkpoint_info(folder / name) for name in names):
        (folder / STATE).unlink(missing_ok=True)


def is_evaluated(folder: Path) -> bool:
    """Whether the population with checkpoints in this folder is trained to its end and evaluated."""
    info = checkpoint_info(folder)
    return info is not None and info.finished and read_state(folder / ROWS, *_KEYS) is not None


def write_state(path: Path, facts: dict[str, Any]) -> None:
    """Writes facts as a whole, with a digest of them."""
    write_text(path, json.dumps({"digest": _digest(facts), "facts": facts}) + "\n")


def read_state(path: Path, *keys: str) -> dict[str, Any] | None:
    """Returns the facts that :func:`write_state` wrote; None where the file is missing, damaged or lacks a key.

    Example:
      >>> import tempfile
      >>> path = Path(tempfile.mkdtemp()) / "facts.json"
      >>> write_state(path, {"finished": True})
      >>> read_state(path, "finished")
      {'finished': True}
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        facts = written["facts"]
        whole = written["digest"] == _digest(facts) and isinstance(facts, dict) and facts.keys() >= set(keys)
        return facts if whole else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_rows(folder: Path, run: Run, dataset: Dataset, found: Evaluation, cost: dict[str, Any]) -> None:
    """Writes the results of a run, and the cost of its evaluation, into the folder of its checkpoints."""
    arrays: dict[str, Any] = {str(place): values for place, values in enumerate(found.examples) if values is not None}
    with replacing(folder / EXAMPLES) as scratch:
        np.savez(scratch, **arrays)
        digest = hashlib.sha256(scratch.read_bytes()).hexdigest()
    results = {"rows": found.rows, "findings": found.findings, "examples": digest}
    facts = {"of": digest_of_run(run, dataset), **results, "cost": cost}
    write_state(folder / ROWS, facts)


def read_rows(
    folder: Path, run: Run, dataset: Dataset
) -> tuple[list[Row], list[Row], list[np.ndarray | None], dict[str, Any]] | None:
    """Returns rows, findings, examples and cost that :func:`write_rows` wrote of these parameters and data, or None."""
    kept = read_state(folder / ROWS, *_KEYS)
    if kept is None or kept["of"] != digest_of_run(run, dataset):
        return None
    try:
        written = (folder / EXAMPLES).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(written).hexdigest() != kept["examples"]:
        return None
    arrays = np.load(io.BytesIO(written))
    examples = [arrays.get(str(place)) for place in range(len(kept["rows"]))]
    return kept["rows"], kept["findings"], examples, kept["cost"]


def digest_of_run(run: Run, dataset: Dataset) -> str:
    """Returns a digest of everything that results depend on: parameters, data and the version of this package."""
    found = hashlib.sha256(json.dumps(dataset.describe()).encode())
    for split in (dataset.train, dataset.validation, dataset.test):
        found.update(np.ascontiguousarray(split.x).data)
        labels = None if split.labels is None else np.asarray(split.labels).tolist()
        found.update(json.dumps(labels, default=str).encode())
    found.update(run.record["versions"]["ae_jax"].encode())
    found.update(json.dumps([run.configuration()["members"], run.settings.get("resplit", False)]).encode())
    for leaf in jax.tree.leaves(run.params):
        found.update(np.ascontiguousarray(leaf).data)
    return found.hexdigest()


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
