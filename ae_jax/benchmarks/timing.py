"""Interleaved timing: all that is compared runs in every round, so that a slow minute slows all of it."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax


class Ratio(NamedTuple):
    """How many times longer one thing takes than another.

    Attributes:
      median: of the rounds' ratios.
      low: the least of them.
      high: the greatest.
    """

    median: float
    low: float
    high: float


def interleave(runs: Mapping[str, Callable[[], float]], *, rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """What each run says of every round, the order rotated by one from round to round.

    Args:
      runs: by name, what is called once a round and says how long it took, in seconds; see :func:`timed`.
      rounds: how many are kept.
      warm_up: how many before them are not, in which programs are compiled and caches filled.

    Returns:
      name -> seconds of each round.

    Example:
      >>> interleave({"a": lambda: 1.0, "b": lambda: 2.0}, rounds=2)
      {'a': [1.0, 1.0], 'b': [2.0, 2.0]}
    """
    names, seconds = list(runs), {name: [] for name in runs}
    for number in range(rounds + warm_up):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            taken = runs[name]()
            if number >= warm_up:
                seconds[name].append(taken)
    return seconds


def timed(call: Callable[[], Any]) -> Callable[[], float]:
    """The call, saying how many seconds passed until what it gives was computed.

    Example:
      >>> timed(lambda: jnp.ones(3) + 1.0)() > 0
      True
    """

    def run() -> float:
        started = time.perf_counter()
        jax.block_until_ready(call())
        return time.perf_counter() - started

    return run


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Ratio:
    """How many times longer they take than we do: round by round, since rounds differ more than what runs in one.

    Args:
      theirs: seconds of each round.
      ours: seconds of the same rounds.

    Example:
      >>> ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0])
      Ratio(median=3.0, low=2.0, high=4.0)
    """
    each = [they / we for they, we in zip(theirs, ours, strict=True)]
    return Ratio(statistics.median(each), min(each), max(each))
