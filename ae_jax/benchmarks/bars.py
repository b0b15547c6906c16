"""What the measured numbers must come up to: every bar in one place, and whether it is met."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ae_jax.benchmarks.works import WORKS


class Bar(NamedTuple):
    """One number that is asked for.

    Attributes:
      what: ``"ratio"`` of a peer's time over ours; ``"geometric mean"`` of those of all works that enter it;
        ``"fraction"`` of the machine's matrix-product peak; ``"cost per member"`` of a population beside one alone;
        ``"import"`` of this package over that of JAX, Flax and Optax.
      value: that the number must reach, or must not pass where ``at_most``.
      works: of which each must meet it.
      batches: of which each must meet it; none are all.
      peer: whom it is about; empty where nobody.
      at_most: the bar is an upper one.
    """

    what: str
    value: float
    works: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    peer: str = ""
    at_most: bool = False


class Verdict(NamedTuple):
    """A bar and what was measured.

    Attributes:
      bar: the bar.
      where: the work, batch or members whose number is farthest from meeting it.
      value: that number; None where nothing was measured that it is about.
      met: whether it is met; None where nothing was measured.
    """

    bar: Bar
    where: str
    value: float | None
    met: bool | None


_DENSE = ("autoencoder", "vae")

BARS = (
    Bar("ratio", 3.0, _DENSE, (64,), "pythae"),
    Bar("ratio", 2.5, _DENSE, (128,), "pythae"),
    Bar("ratio", 2.0, _DENSE, (512,), "pythae"),
    Bar("ratio", 1.8, _DENSE, (64,), "pytorch"),
    Bar("ratio", 1.5, _DENSE, (128,), "pytorch"),
    Bar("ratio", 1.0, _DENSE, (512,), "pytorch"),
    Bar("ratio", 1 / 1.05, tuple(WORKS), (), "jax-scan"),
    Bar("geometric mean", 2.5, (), (), "pythae"),
    Bar("geometric mean", 1.5, (), (), "pytorch"),
    Bar("ratio", 1.0, ("convolutional", "convolutional-population"), (), "pytorch"),
    Bar("fraction", 0.75, _DENSE, (512,)),
    Bar("ratio", 100.0, ("contractive-step",), (), "pytorch-jacrev"),
    Bar("ratio", 25.0, ("sweep",), (), "pythae"),
    Bar("cost per member", 1.0, at_most=True),
    Bar("import", 1.2, at_most=True),
)
"""Measured on two CPU cores; ratios are medians over the rounds of one run."""


def geometric_means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of each peer, the geometric mean of its ratios over the works that enter it.

    Example:
      >>> rows = [{"work": "vae", "peer": "pythae", "ratio": ratio} for ratio in (2.0, 8.0)]
      >>> geometric_means(rows + [{"work": "sweep", "peer": "pythae", "ratio": 100.0}])
      {'pythae': 4.0}
    """
    ratios: dict[str, list[float]] = {}
    for row in rows:
        if row["ratio"] is not None and WORKS[row["work"]].in_mean:
            ratios.setdefault(row["peer"], []).append(row["ratio"])
    return {peer: round(math.exp(math.fsum(map(math.log, each)) / len(each)), 12) for peer, each in ratios.items()}


def judge(results: Mapping[str, Any], bars: Sequence[Bar] = BARS) -> list[Verdict]:
    """Whether each bar is met by what was measured.

    Args:
      results: as :func:`ae_jax.benchmarks.study.results_of` gives them.
      bars: what is asked for.

    Example:
      >>> rows = [{"work": "vae", "batch": 64, "peer": "pythae", "ratio": 2.0}]
      >>> judge({"rows": rows}, [Bar("ratio", 3.0, ("vae",), (64,), "pythae")])[0][1:]
      ('vae, batch 64', 2.0, False)
    """
    return [_judged(bar, _numbers(bar, results)) for bar in bars]


def _judged(bar: Bar, numbers: Mapping[str, float]) -> Verdict:
    if not numbers:
        return Verdict(bar, "", None, None)
    where = (max if bar.at_most else min)(numbers, key=numbers.__getitem__)
    value = numbers[where]
    return Verdict(bar, where, value, bool(value <= bar.value if bar.at_most else value >= bar.value))


def _numbers(bar: Bar, results: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that a bar is about, by where they were measured."""
    if bar.what == "geometric mean":
        means = results.get("geometric_means", {})
        return {"all works": means[bar.peer]} if bar.peer in means else {}
    if bar.what == "import":
        return {"ae_jax": results["startup"]["import_ratio"]} if "startup" in results else {}
    if bar.what == "cost per member":
        return {f"{row['widths']}, {row['members']} members": row["cost"] for row in results.get("populations", [])}
    rows = results.get("roofline" if bar.what == "fraction" else "rows", [])
    return {
        f"{row['work']}, batch {row['batch']}": row[bar.what]
        for row in rows
        if row["work"] in bar.works
        and (not bar.batches or row["batch"] in bar.batches)
        and row.get("peer", "") == bar.peer
        and row[bar.what] is not None
    }
