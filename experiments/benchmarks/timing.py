"""Interleaved timing: every candidate runs in every round, so that a slow minute slows all of them."""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax


class Ratio(NamedTuple):
    """Ratio of two times, with the median, minimum and maximum over rounds."""

    median: float
    low: float
    high: float


def interleave(runs: Mapping[str, Callable[[], float]], *, rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Returns the seconds of each run in each round; the order rotates by one from round to round.

    Args:
      runs: name -> function that runs once and returns its seconds, see :func:`timed`.
      rounds: number of recorded rounds.
      warm_up: number of rounds before them that are not recorded, for compilation and caches.
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
    """Wraps a call so that it returns the seconds until its result is computed."""

    def run() -> float:
        started = time.perf_counter()
        jax.block_until_ready(call())
        return time.perf_counter() - started

    return run


def print_rows(rows: Iterable[dict[str, Any]], line: Callable[[dict[str, Any]], str], *, as_json: bool) -> None:
    """Prints each row as soon as it is measured, as a line of text or of JSON."""
    for row in rows:
        print(json.dumps(row) if as_json else line(row), flush=True)


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Ratio:
    """Returns the ratio of two runs' seconds, taken round by round because rounds differ more than runs within one."""
    each = [top / bottom for top, bottom in zip(numerator, denominator, strict=True)]
    return Ratio(statistics.median(each), min(each), max(each))
