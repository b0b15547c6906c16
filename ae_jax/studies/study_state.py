"""What a study remembers beside its checkpoints: which trainings it is made of, and what was answered about each.

Every file is written whole, with a digest of what it says; one that says something else is as if it were not there.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.atomic import write_text
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import Row
from ae_jax.training import Run
from ae_jax.training.checkpoint import CheckpointInfo, checkpoint_info, latest_checkpoint, remove_checkpoints
from ae_jax.training.continuation import Resume, differences

STUDY, ANSWERS = "study.json", "answers.json"
_LARGEST = 1 << 30
"""Bytes of a file that is read at all."""


class Answers(NamedTuple):
    """What was answered about a run, and what that took.

    Attributes:
      rows: long-format results.
      cost: seconds and programs of the questions.
    """

    rows: list[Row]
    cost: dict[str, Any]


def begin(folder: Path, trials: Mapping[str, Any], *, resume: Resume) -> None:
    """Takes down of which trainings a study is made, or finds that it goes on with those.

    Args:
      folder: of the study's checkpoints; those of each training are in the folder of its name there.
      trials: name of each training -> the configuration of what is trained.
      resume: whether a study that lies there goes on.

    Raises:
      InvalidInput: an unfinished study lies there and is not to go on, or none of its checkpoints can be read; or it is
        to go on and has other trainings.
    """
    before = remembered(folder / STUDY, "trials", "finished", "autoencoders")
    if before is not None and resume:
        _require_same(folder, before, trials)
    if before is not None and not resume and not before["finished"]:
        _require_nothing_saved(folder, before["trials"])
    if before is not None and not resume:  # else a finished training would stand beside those of another study
        for name in before["trials"]:
            remove_checkpoints(folder / name)
            (folder / name / ANSWERS).unlink(missing_ok=True)
    if before is None or not resume or resume == "extend":
        asked = {"trials": list(trials), "autoencoders": list(trials.values())}
        remember(folder / STUDY, asked | {"finished": False})


def _require_same(folder: Path, before: dict[str, Any], trials: Mapping[str, Any]) -> None:
    """Raises where a study has other trainings, before the first of them goes on."""
    if before["trials"] != list(trials):
        raise InvalidInput(
            f"the study in {folder} cannot be resumed with other trainings ({', '.join(before['trials'])} then, "
            f"{', '.join(trials)} now): expected the same ones; or remove {folder} to start anew."
        )
    if different := differences(dict(zip(trials, before["autoencoders"], strict=True)), dict(trials)):
        raise InvalidInput(
            f"the study in {folder} cannot be resumed with other autoencoders ({different}): expected the same ones; "
            f"or remove {folder} to start anew."
        )


def _require_nothing_saved(folder: Path, trials: Sequence[str]) -> None:
    came = {name: position for name in trials if (position := _position(folder / name)) is not None}
    if not came:
        return
    name, latest = list(came.items())[-1]
    how_far = f"{sum(position.finished for position in came.values())} of {len(trials)} trainings are finished"
    how_far += "" if latest.finished else f", {name} is at epoch {latest.epoch} of {latest.epochs}"
    raise InvalidInput(
        f"{folder} holds an unfinished study ({how_far}): resume goes on with it (on the command line --resume); "
        "remove the folder to start anew."
    )


def _position(folder: Path) -> CheckpointInfo | None:
    position = checkpoint_info(folder)
    if position is None:
        latest_checkpoint(folder)  # raises an error if there are some and none can be read
    return position


def forget(folder: Path, trials: Sequence[str]) -> None:
    """Takes nothing down of a study that ended before anything was saved."""
    if not any(checkpoint_info(folder / name) for name in trials):
        (folder / STUDY).unlink(missing_ok=True)


def finish(folder: Path) -> None:
    """Takes down that every training of a study is finished and was asked."""
    before = remembered(folder / STUDY, "trials", "finished")
    if before is not None and not before["finished"]:
        remember(folder / STUDY, before | {"finished": True})


def remember(path: Path, facts: dict[str, Any]) -> None:
    """Writes facts whole or not at all, with a digest of them.

    Raises:
      InvalidInput: they cannot be written.
    """
    write_text(path, json.dumps({"digest": _digest(facts), "facts": facts}) + "\n")


def remembered(path: Path, *keys: str) -> dict[str, Any] | None:
    """What :func:`remember` wrote, where that is what the file says; None of anything else, or without one of the keys.

    Example:
      >>> import tempfile
      >>> path = Path(tempfile.mkdtemp()) / "facts.json"
      >>> remember(path, {"finished": True})
      >>> remembered(path, "finished")
      {'finished': True}
      >>> _ = path.write_text(path.read_text().replace("true", "null"))
      >>> remembered(path) is None
      True
    """
    try:
        if path.stat().st_size > _LARGEST:
            return None
        written = json.loads(path.read_text(encoding="utf-8"))
        facts = written["facts"]
        whole = written["digest"] == _digest(facts) and isinstance(facts, dict) and facts.keys() >= set(keys)
        return facts if whole else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def keep_answers(folder: Path, run: Run, dataset: Dataset, answers: Answers) -> None:
    """Keeps what was answered about a run in the folder of its checkpoints.

    Raises:
      InvalidInput: it cannot be written.
    """
    remember(folder / ANSWERS, {"about": subject(run, dataset), **answers._asdict()})


def kept_answers(folder: Path, run: Run, dataset: Dataset) -> Answers | None:
    """What :func:`keep_answers` kept of these very parameters and data, or None."""
    kept = remembered(folder / ANSWERS, "about", "rows", "cost")
    if kept is None or kept["about"] != subject(run, dataset):
        return None
    return Answers(kept["rows"], kept["cost"])


def subject(run: Run, dataset: Dataset) -> str:
    """A digest of all that answers depend on: parameters, data and the version of the questions."""
    found = hashlib.sha256(digest_of(dataset).encode())
    found.update(run.record["versions"]["ae_jax"].encode())
    found.update(json.dumps(run.configuration()["members"]).encode())
    for leaf in jax.tree.leaves(run.params):
        found.update(np.ascontiguousarray(leaf).data)
    return found.hexdigest()


def digest_of(dataset: Dataset) -> str:
    """A digest of examples and labels of every split; of a stream, of its sample and of what is held out.

    Example:
      >>> from ae_jax.data import digits
      >>> digest_of(digits()) == digest_of(digits()), digest_of(digits()) == digest_of(digits(seed=1))
      (True, False)
    """
    found = hashlib.sha256(json.dumps(dataset.describe()).encode())
    for split in (dataset.train, dataset.validation, dataset.test):
        found.update(np.ascontiguousarray(split.x).data)
        labels = None if split.labels is None else np.asarray(split.labels).tolist()
        found.update(json.dumps(labels, default=str).encode())
    return found.hexdigest()


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
