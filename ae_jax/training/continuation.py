"""Whether a training that was saved is the one that is asked for now."""

import dataclasses
import hashlib
import inspect
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.data.streaming import Rows
from ae_jax.errors import InvalidInput
from ae_jax.schedules import value_at
from ae_jax.training.data_iterator import DataIterator
from ae_jax.training.plan import Plan
from ae_jax.training.population import unstack

Resume = bool | Literal["extend"]
"""Whether a training goes on from its newest checkpoint, and whether it may then have more epochs than before."""

_NAMED = 6
"""How many differences a sentence lists."""

_SAMPLE, _SHARDS = 64, 4
"""Rows of a stream whose bytes tell it from another; where a shard is only read whole, fewer, each of another."""


def configuration_of(planned: Plan) -> dict[str, Any]:
    """All that decides what a training gives, ready for JSON."""
    members = len(planned.seeds)
    return {
        "autoencoders": [to_config(unstack(planned.autoencoder, member)) for member in range(members)],
        "seeds": planned.seeds.tolist(),
        "data": to_config(planned.dataset.spec) | {"digest": _digest(planned.dataset)},
        **planned.config.to_json(),
    }


def require_same(saved: dict[str, Any], asked: dict[str, Any], planned: Plan, *, resume: Resume, place: Any) -> None:
    """Raises where a training that was saved is not the one that is asked for.

    Args:
      saved: its configuration.
      asked: that of what is asked for.
      planned: what is asked for.
      resume: ``"extend"`` allows more epochs.
      place: where it lies, for the sentence.

    Raises:
      InvalidInput: keys that differ are listed; or more epochs than before, and what a schedule makes of the last step
        is not the same.
    """
    if different := differences(saved | {"epochs": None}, asked | {"epochs": None}):
        raise InvalidInput(
            f"the training in {place} cannot be resumed with another configuration ({different}): expected the same "
            f"one; or remove {place} to start anew."
        )
    before, now = saved["epochs"], planned.config.epochs
    if before == now:
        return
    if resume != "extend" or now < before:
        raise InvalidInput(
            f"the training in {place} was to have {before} epochs and is asked for {now}: expected {before}, or more "
            'where it is to be extended (resume="extend", on the command line --resume --extend).'
        )
    steps = DataIterator(planned).steps
    _require_steady(planned, before * steps, now * steps)


def warn_of_others(saved: dict[str, Any], now: dict[str, Any], *, place: Any) -> None:
    """Warns where versions or devices are not those that a training was saved under."""
    if different := differences(saved, now):
        warnings.warn(
            f"the training in {place} was saved elsewhere ({different}): it goes on, to the same but for rounding.",
            stacklevel=2,
        )


def _require_steady(planned: Plan, before: int, now: int) -> None:
    """Raises where a schedule of the objective ends elsewhere, so that losses so far are no longer comparable."""
    for member in range(len(planned.seeds)):
        for schedule in _schedules(unstack(planned.autoencoder, member).objective):
            if not np.allclose(value_at(schedule, before), value_at(schedule, now), rtol=1e-6):
                raise InvalidInput(
                    f"the training cannot be extended: {schedule!r} is {float(value_at(schedule, before)):g} at the "
                    f"last step of before and {float(value_at(schedule, now)):g} at the last step now, by which "
                    "validation losses are weighed: expected the same value; train anew with that many epochs."
                )


def _schedules(value: Any) -> Iterator[Any]:
    """Every component below a value that is called with a step and nothing else."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _schedules(item)
    elif isinstance(value, dict):
        yield from _schedules(list(value.values()))
    elif dataclasses.is_dataclass(value):
        call = getattr(type(value), "__call__", None)  # noqa: B004 - its signature is what tells a schedule
        if call is not None and list(inspect.signature(call).parameters)[1:] == ["step"]:
            yield value
        yield from _schedules([getattr(value, field.name) for field in dataclasses.fields(value)])


def _digest(dataset: Dataset) -> str:
    """Of what is trained on and validated on; of a stream, of what is held out of it and of rows all over it."""
    found = hashlib.sha256()
    for split in (dataset.train, dataset.validation):
        found.update(np.ascontiguousarray(split.x).data)
    if dataset.stream is not None:
        for x in _sample(dataset.stream.rows):
            found.update(np.ascontiguousarray(x).data)
    return found.hexdigest()


def _sample(rows: Rows) -> Iterator[np.ndarray]:
    """Rows that are evenly spaced over all of a source, the first and the last among them."""
    lengths = np.array(rows.lengths)
    ends = np.cumsum(lengths)
    for place in np.unique(np.linspace(0, ends[-1] - 1, _SHARDS if rows.whole else _SAMPLE).astype(np.int64)):
        shard = int(np.searchsorted(ends, place, side="right"))
        row = int(place - ends[shard] + lengths[shard])
        yield rows.read(shard, row, row + 1)[0]


def differences(before: Any, now: Any) -> str:
    """What differs between two configurations, as a sentence says it in brackets; empty where nothing does.

    Example:
      >>> differences({"seeds": [0, 1], "rate": 0.1}, {"seeds": [0, 2], "rate": 0.1})
      'seeds.1: 1 then, 2 now'
    """
    different = [f"{key}: {_short(then)} then, {_short(later)} now" for key, then, later in _differences(before, now)]
    more = f"; and {len(different) - _NAMED} more" if len(different) > _NAMED else ""
    return "; ".join(different[:_NAMED]) + more


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted keys whose values differ, with both."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in [*before, *(name for name in now if name not in before)]:
            inner = f"{key}.{name}" if key else str(name)
            yield from _differences(before.get(name), now.get(name), inner)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for place, pair in enumerate(zip(before, now, strict=True)):
            yield from _differences(*pair, f"{key}.{place}")
    elif isinstance(before, list) and isinstance(now, list):
        yield f"number of {key}", len(before), len(now)
    elif before != now and not (before != before and now != now):  # NaN is NaN
        yield key, before, now


def _short(value: Any) -> str:
    shown = str(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
