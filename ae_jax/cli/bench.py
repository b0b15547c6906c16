"""``bench``: how fast it is beside its peers and the machine's limits, on this machine."""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from ae_jax.cli.options import WHOLE, one, read_whole, several
from ae_jax.cli.printing import print_columns
from ae_jax.cli.session import say

MISSED = 1
"""The exit code where somebody did other work than we did, or where a bar is missed that must be met."""

Works = Annotated[Any, several(str, "NAME", least=1), arg(help_behavior_hint="(default: all)")]
Peers = Annotated[Any, several(str, "NAME", least=1), arg(help_behavior_hint="(default: all that are installed)")]
Batches = Annotated[
    Any, several(read_whole, "N", least=1), arg(help_behavior_hint="(default: all that the works have)")
]
Measures = Annotated[Any, several(str, "NAME", least=1), arg(help_behavior_hint="(default: all of them)")]
Flag = Annotated[bool, arg(help_behavior_hint="")]
Images = Annotated[str | None, one(str, "NAME|PATH"), arg(help_behavior_hint="(default: drawn ones)")]
File = Annotated[Path | None, one(Path, "FILE"), arg(help_behavior_hint="(default: none is written)")]


def bench(
    *,
    work: Works = None,
    peer: Peers = None,
    batch: Batches = None,
    measure: Measures = None,
    rounds: Annotated[int, WHOLE] = 5,
    epochs: Annotated[int, WHOLE] = 4,
    examples: Annotated[int, WHOLE] = 20_000,
    data: Images = None,
    skip_memory: Flag = False,
    quick: Flag = False,
    require: Flag = False,
    json: File = None,
) -> int:
    """Times training against PyTorch, pythae and hand-written JAX on the same work, side by side.

    Everybody has the same network, initial parameters, bytes, batch size, Adam, precision, number of epochs and of
    threads, and trains in every round; a ratio is the peer's time of an epoch over ours, the median over rounds with
    the least and the greatest. Compiling is apart, and losses are compared. PyTorch and pythae come with pip install
    'ae_jax[bench]'. On a GPU the same works run there; the whole takes about an hour on two cores.

    Args:
      work: what is trained: autoencoder, vae, convolutional, convolutional-population, contractive, contractive-step,
        sparse, sweep.
      peer: against whom: pytorch, pytorch-compiled, pytorch-jacrev, pytorch-jacfwd, pythae, jax-scan, jax-loop.
      batch: examples in a step.
      measure: startup, which is imports, the first epoch and the programs of a comparison; peers, with the machine's
        limits; populations, what a member costs as members grow; scaling, how time grows with examples, features,
        code, members and batch, and what that says of larger sizes.
      rounds: in each of which everybody trains.
      epochs: of everybody in a round, at least 3.
      examples: trained on, rounded down to a multiple of 512; some works take a part of them.
      data: images of 28 by 28 bytes in place of drawn ones, such as a folder of MNIST's idx files.
      skip_memory: leaves out peaks of memory, for which everybody trains once more in a process of its own.
      quick: sizes that only show that everything works; the numbers mean nothing.
      require: exit code 1 where a bar is missed.
      json: writes rows, roofline, populations, scaling, bars and environment to this file, after each work anew.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is shared with PyTorch
    from ae_jax.benchmarks import MEASURES, Study
    from ae_jax.benchmarks.measure import same_work
    from ae_jax.benchmarks.study import threads
    from ae_jax.studies import write_results
    from ae_jax.training import provide_cpu_devices

    provide_cpu_devices(threads())  # over which the sweep is divided
    study = Study(
        measures=measure or MEASURES,
        works=work,
        peers=peer,
        batches=batch,
        rounds=rounds,
        epochs=epochs,
        examples=examples,
        source=data,
        memory=not skip_memory,
        quick=quick,
    )
    results: dict[str, Any] = {}
    for results in study.run(say):
        if json is not None:
            write_results(json, results)
    show(results)
    if not same_work(results["rows"]):
        say("the losses of a peer differ from ours: it did other work, and its ratio means nothing.")
        return MISSED
    missed = require and any(bar["met"] is False for bar in results["bars"])
    return MISSED if missed else 0


def show(results: Mapping[str, Any]) -> None:
    """Prints what was measured as tables, of peers one for each work and batch size."""
    if (start := results.get("startup")) is not None:
        spread = _spread(start["import_low"], start["import_high"])
        print(
            f"import: {start['import_ratio']:.2f} ({spread}) times that of JAX, Flax and Optax; a first epoch from "
            f"the compilation cache takes {start['first_epoch_ratio']:.2f} of one that is compiled; a comparison of "
            f"six asks for {start['programs']} programs, {start['compile_s']:.0f} s of compiling.\n"
        )
    for (work, batch), rows in itertools.groupby(results["rows"], lambda row: (row["work"], row["batch"])):
        show_peers(f"{work}, batch {batch}", list(rows))
    if results["roofline"]:
        headings = ("work", "batch", "GFLOP/s", "of peak", "rounds", "limit")
        print_columns(headings, [_of_roof(row) for row in results["roofline"]])
        print()
    if results["populations"]:
        rows = [
            (row["widths"], row["members"], f"{row['cost']:.2f}", _spread(row["cost_low"], row["cost_high"]))
            for row in results["populations"]
        ]
        print_columns(("widths", "members", "cost of each", "rounds"), rows)
        print()
    if results["scaling"]:
        rows = [
            (row["axis"], f"{row['exponent']:.2f}", _spread(row["exponent_low"], row["exponent_high"]))
            for row in results["scaling"]
        ]
        print_columns(("growing", "exponent", "rounds"), rows)
        print()
    if (model := results.get("cost_model")) is not None:
        print(
            f"cost model: {model['predicted_s']:.3g} s predicted, {model['measured_s']:.3g} s measured at a size that "
            "it was not fitted to; seconds of an epoch on so many devices, links of 100 Gbit/s assumed:"
        )
        devices = sorted({row["devices"] for row in model["table"]})
        by_examples = itertools.groupby(model["table"], lambda row: row["examples"])
        rows = [(f"{count:.0e}", *(f"{row['epoch_s']:.3g}" for row in of)) for count, of in by_examples]
        print_columns(("examples", *map(str, devices)), rows)
        print()
    for line in filter(None, (*map(_of_bar, results["bars"]), *results["skipped"])):
        print(line)


def show_peers(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints a work's peers, and why the others could not take part."""
    print(title)
    compared = [_of_peer(row) for row in rows if row["ratio"] is not None]
    if compared:
        print_columns(("peer", "ratio", "rounds", "ours s", "peer s", "loss", "peer's"), compared)
    for row in rows:
        if row["ratio"] is None:
            print(f" {row['peer']}: {row['reason']}")
    print()


def _of_peer(row: Mapping[str, Any]) -> tuple[object, ...]:
    different = "" if row["same_work"] else " differs"
    return (
        row["peer"],
        f"{row['ratio']:.2f}",
        _spread(row["ratio_low"], row["ratio_high"]),
        f"{row['ours_s']:.3g}",
        f"{row['peer_s']:.3g}",
        f"{row['ours_loss']:.5g}",
        f"{row['peer_loss']:.5g}{different}",
    )


def _of_roof(row: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        row["work"],
        row["batch"],
        f"{row['gflops']:.3g}",
        f"{row['fraction']:.0%}",
        f"{row['fraction_low']:.0%} to {row['fraction_high']:.0%}",
        row["limit"].removeprefix("matrix "),
    )


def _of_bar(bar: Mapping[str, Any]) -> str:
    """One line on a bar, empty where nothing was measured that it is about."""
    if bar["met"] is None:
        return ""
    subject = f"{bar['what']} against {bar['peer']}" if bar["peer"] else bar["what"]
    asked = f"{'at most' if bar['at_most'] else 'at least'} {bar['value']:.3g}"
    return f"{'met' if bar['met'] else 'MISSED'}: {subject} {asked}: {bar['measured']:.3g} ({bar['where']})"


def _spread(low: float, high: float) -> str:
    return f"{low:.2f} to {high:.2f}"
