"""Thresholds that the measured numbers must reach, and whether they do."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.workloads import WORKLOADS


class Threshold(NamedTuple):
    """A bound on one measured number.

    Attributes:
      what: ``"ratio"`` of a baseline's time over ours; ``"geometric mean"`` of a baseline's ratios; ``"fraction"`` of
        the machine's matrix-product peak; ``"cost per member"`` of a population relative to one alone; ``"import"``
        time of this package over that of JAX, Flax and Optax.
      value: lower bound, or upper bound if ``at_most``.
      workloads: workloads that must all meet it.
      batches: batch sizes that must all meet it; empty means all.
      baseline: the baseline's name; empty if none is involved.
      at_most: whether the bound is an upper one.
    """

    what: str
    value: float
    workloads: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    baseline: str = ""
    at_most: bool = False


_DENSE = ("autoencoder", "vae")

THRESHOLDS = (
    Threshold("ratio", 3.0, _DENSE, (64,), "pythae"),
    Threshold("ratio", 2.5, _DENSE, (128,), "pythae"),
    Threshold("ratio", 2.0, _DENSE, (512,), "pythae"),
    Threshold("ratio", 1.8, _DENSE, (64,), "pytorch"),
    Threshold("ratio", 1.5, _DENSE, (128,), "pytorch"),
    Threshold("ratio", 1.0, _DENSE, (512,), "pytorch"),
    Threshold("ratio", 1 / 1.05, tuple(WORKLOADS), (), "jax-scan"),
    Threshold("geometric mean", 2.5, (), (), "pythae"),
    Threshold("geometric mean", 1.5, (), (), "pytorch"),
    Threshold("ratio", 1.0, ("convolutional", "convolutional-population"), (), "pytorch"),
    Threshold("fraction", 0.75, _DENSE, (512,)),
    Threshold("ratio", 100.0, ("contractive-step",), (), "pytorch-jacrev"),
    Threshold("ratio", 25.0, ("sweep",), (), "pythae"),
    Threshold("cost per member", 1.0, at_most=True),
    Threshold("import", 1.2, at_most=True),
)
"""Valid for two CPU cores; ratios are medians over the rounds of one run."""


def geometric_means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Returns each baseline's geometric mean of ratios over the workloads that count (``in_mean``)."""
    logs: dict[str, list[float]] = {}
    for row in rows:
        if row["ratio"] is not None and WORKLOADS[row["workload"]].in_mean:
            logs.setdefault(row["baseline"], []).append(math.log(row["ratio"]))
    return {baseline: math.exp(math.fsum(each) / len(each)) for baseline, each in logs.items()}


def judge(results: Mapping[str, Any], thresholds: Sequence[Threshold] = THRESHOLDS) -> list[dict[str, Any]]:
    """Returns each threshold's fields with the ``measured`` number nearest to failing, ``where``, and ``met``.

    ``measured`` and ``met`` are None if nothing relevant was measured.
    """
    return [threshold._asdict() | _verdict(threshold, _numbers(threshold, results)) for threshold in thresholds]


def _verdict(threshold: Threshold, numbers: Mapping[str, float]) -> dict[str, Any]:
    if not numbers:
        return {"where": "", "measured": None, "met": None}
    where = (max if threshold.at_most else min)(numbers, key=numbers.__getitem__)
    met = numbers[where] <= threshold.value if threshold.at_most else numbers[where] >= threshold.value
    return {"where": where, "measured": numbers[where], "met": bool(met)}


def _numbers(threshold: Threshold, results: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers that a threshold applies to, by where they were measured."""
    if threshold.what == "geometric mean":
        means = results.get("geometric_means", {})
        return {"all workloads": means[threshold.baseline]} if threshold.baseline in means else {}
    if threshold.what == "import":
        return {"ae_jax": results["startup"]["import_ratio"]} if "startup" in results else {}
    if threshold.what == "cost per member":
        return {f"{row['widths']}, {row['members']} members": row["cost"] for row in results.get("populations", [])}
    return {
        f"{row['workload']}, batch {row['batch']}": row[threshold.what]
        for row in results.get("roofline" if threshold.what == "fraction" else "rows", [])
        if row["workload"] in threshold.workloads
        and (not threshold.batches or row["batch"] in threshold.batches)
        and row.get("baseline", "") == threshold.baseline
        and row[threshold.what] is not None
    }
