"""Training speed beside PyTorch, pythae and hand-written JAX on the same work, and beside the machine's limits.

COMMAND
    python experiments/benchmark.py --json benchmark.json
    (PyTorch and pythae come with ``pip install -e ".[bench]"``; about an hour on two cores)
EXPECTED
    the thresholds of ``benchmarks/thresholds.py``, on two CPU cores: among them at least 3, 2.5 and 2 times as fast as
    pythae's trainer at batch 64, 128 and 512; 1.8, 1.5 and 1 times as fast as a PyTorch loop; at most 1.05 times as
    slow as a hand-written JAX scan; three quarters of the matrix-product peak at batch 512.
MEASURED
    see PERFORMANCE.md; medians over the rounds' ratios, every trainer run in every round of one process.

All trainers have the same network, initial parameters, bytes, batch size, Adam, precision, epochs and threads. A ratio
is the baseline's time of an epoch over ours. Compilation is reported apart, and last losses are compared.
"""

import argparse
import dataclasses
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is shared with PyTorch

from rich import box
from rich.console import Console
from rich.table import Table

from ae_jax.errors import InvalidInput
from ae_jax.studies import write_results
from ae_jax.training import provide_cpu_devices
from ae_jax.training.environment import environment
from benchmarks.baselines import BASELINES, missing
from benchmarks.measure import measure
from benchmarks.ours import MIN_EPOCHS
from benchmarks.populations import MEMBERS, member_costs
from benchmarks.roofline import measure_machine
from benchmarks.scaling import AXES, CHECK, cost_model, exponents
from benchmarks.startup import startup
from benchmarks.thresholds import geometric_means, judge
from benchmarks.workloads import WORKLOADS, Workload, load_images

MEASURES = ("startup", "baselines", "populations", "scaling")
EXAMPLES_MULTIPLE = 512
"""Number of examples is rounded down to a multiple of this, so that no batch is smaller than the others."""


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), help="workloads (default: all)")
    add("--baseline", nargs="+", choices=BASELINES, help="baselines (default: all that are installed)")
    add("--batch", nargs="+", type=positive, help="batch sizes (default: all that the workloads have)")
    add("--measure", nargs="+", choices=MEASURES, default=MEASURES, help="what is measured (default: everything)")
    add("--rounds", type=positive, default=5, help="rounds, in each of which every trainer runs (default: 5)")
    add("--epochs", type=positive, default=4, help="epochs of each trainer in a round, at least 3 (default: 4)")
    add("--examples", type=positive, default=20_000, help="training examples (default: 20000)")
    add("--data", help="28 by 28 images, such as a folder with MNIST's idx files (default: drawn ones)")
    add("--skip-memory", action="store_true", help="no peak memory, for which every trainer runs once more")
    add("--quick", action="store_true", help="sizes that only show that everything runs; the numbers mean nothing")
    add("--require", action="store_true", help="exit code 1 if a threshold is missed")
    add("--json", type=Path, help="write all results to this file, after each workload anew")
    return parser


def positive(text: str) -> int:
    """Reads a whole number above zero."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number above zero")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; the exit code is 1 if losses differ or, with ``--require``, a threshold is missed."""
    command = parser()
    options = command.parse_args(arguments)
    if options.epochs < MIN_EPOCHS:
        command.error(f"argument --epochs: expected at least {MIN_EPOCHS}")
    if absent := [f"{name} needs {package}" for name in options.baseline or () if (package := missing(name))]:
        command.error(f"argument --baseline: {', '.join(absent)}; expected pip install -e '.[bench]' first")
    if "baselines" in options.measure and not selected(options):
        command.error("none of the workloads has such a batch size and baseline; see benchmarks/workloads.py")
    provide_cpu_devices(threads())  # the sweep is divided over them
    results: dict[str, Any] = {}
    try:
        for results in run(options):
            if options.json is not None:
                write_results(options.json, results)
    except InvalidInput as error:
        command.error(str(error))
    show(results)
    if not all(row.get("same_work", True) for row in results["rows"]):
        print("the losses of a baseline differ from ours: its work differs, and its ratio means nothing.")
        return 1
    return int(options.require and any(threshold["met"] is False for threshold in results["thresholds"]))


def selected(options: argparse.Namespace) -> list[tuple[Workload, int]]:
    """Returns the workloads to measure, each with one batch size."""
    pairs = [
        (WORKLOADS[name], batch)
        for name in options.workload
        for batch in WORKLOADS[name].batches
        if options.batch is None or batch in options.batch
        if options.baseline is None or set(options.baseline) & set(WORKLOADS[name].baselines)
    ]
    if not options.quick:
        return pairs
    few = {"share": 1.0, "steps": 2, "epochs": None, "rounds": 1}
    return [(dataclasses.replace(workload, **few), batch) for workload, batch in pairs]


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measures piece by piece and yields all results after each piece."""
    rounds, epochs = (1, 3) if options.quick else (options.rounds, options.epochs)
    lists: dict[str, list[Any]] = {"rows": [], "roofline": [], "populations": [], "scaling": []}
    versions = {name: metadata.version(name) for name in ("torch", "pythae") if find_spec(name)}
    results: dict[str, Any] = {
        "study": "benchmark",
        "settings": vars(options) | {"json": str(options.json)},
        "environment": environment() | {"threads": threads(), "baselines": versions},
        **lists,
    }

    def so_far() -> dict[str, Any]:
        means = {"geometric_means": geometric_means(lists["rows"])}
        return results | means | {"thresholds": judge(results | means)}

    if "startup" in options.measure:
        say("imports, the first epoch and the programs of a comparison")
        results["startup"] = startup(rounds=rounds)
        yield so_far()
    if "baselines" in options.measure:
        say("the limits of this machine")
        machine = measure_machine(rounds=1, copied=2**22) if options.quick else measure_machine()
        results["machine"] = machine._asdict()
        images = load_images(options.data, 512 if options.quick else rounded(options.examples))
        for workload, batch in selected(options):
            say(f"{workload.name}, batch {batch}: {workload.about}")
            memory = not (options.quick or options.skip_memory)
            settings = {"baselines": options.baseline, "rounds": rounds, "epochs": epochs, "memory": memory}
            rows, roofline = measure(workload, batch, images, machine, **settings)
            lists["rows"] += rows
            lists["roofline"].append(roofline)
            yield so_far()
    if "populations" in options.measure:
        say("members of populations")
        members = MEMBERS[:2] if options.quick else MEMBERS
        for row in member_costs(members=members, rounds=rounds, epochs=epochs):
            lists["populations"].append(row)
            yield so_far()
    if "scaling" in options.measure:
        say("growth with examples, features, code, members and batch")
        axes = {axis: values[:2] for axis, values in AXES.items()} if options.quick else AXES
        for row in exponents(axes, rounds=rounds, epochs=epochs):
            lists["scaling"].append(row)
            yield so_far()
        check = CHECK | {"examples": 512, "members": 1} if options.quick else CHECK
        results["cost_model"] = cost_model(lists["scaling"], check, rounds=rounds, epochs=epochs)
        yield so_far()


def rounded(examples: int) -> int:
    """Rounds examples down to a multiple of 512, if there are so many."""
    return max(min(examples, EXAMPLES_MULTIPLE), examples // EXAMPLES_MULTIPLE * EXAMPLES_MULTIPLE)


def threads() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(text: str) -> None:
    """Prints progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def show(results: Mapping[str, Any]) -> None:
    """Prints the results as tables."""
    if (start := results.get("startup")) is not None:
        print(
            f"import: {_spread(start, 'import_ratio', 'import')} times that of JAX, Flax and Optax; a first epoch from "
            f"the compilation cache takes {start['first_epoch_ratio']:.2f} of one that is compiled; a comparison of "
            f"six compiles {start['programs']} programs in {start['compile_s']:.0f} s.\n"
        )
    for (workload, batch), rows in itertools.groupby(results["rows"], lambda row: (row["workload"], row["batch"])):
        print_table(
            f"{workload}, batch {batch}",
            ("baseline", "ratio", "ours s", "its s", "loss", "its loss"),
            map(_cells, rows),
        )
    print_table(
        "matrix products",
        ("workload", "batch", "GFLOP/s", "of peak", "limit"),
        (
            (row["workload"], row["batch"], f"{row['gflops']:.3g}", f"{row['fraction']:.0%}", row["limit"])
            for row in results["roofline"]
        ),
    )
    print_table(
        "populations",
        ("widths", "members", "cost of each"),
        ((row["widths"], row["members"], _spread(row, "cost", "cost")) for row in results["populations"]),
    )
    print_table(
        "growth",
        ("axis", "exponent"),
        ((row["axis"], _spread(row, "exponent", "exponent")) for row in results["scaling"]),
    )
    if (model := results.get("cost_model")) is not None:
        devices = sorted({row["devices"] for row in model["table"]})
        by_examples = itertools.groupby(model["table"], lambda row: row["examples"])
        print_table(
            f"cost model: {model['predicted_s']:.3g} s predicted, {model['measured_s']:.3g} s measured at a size that "
            "it was not fitted to; predicted seconds of an epoch by devices, links of 100 Gbit/s assumed",
            ("examples", *map(str, devices)),
            ((f"{count:.0e}", *(f"{row['epoch_s']:.3g}" for row in rows)) for count, rows in by_examples),
        )
    for threshold in results["thresholds"]:
        if threshold["met"] is not None:
            against = f" against {threshold['baseline']}" if threshold["baseline"] else ""
            print(
                f"{'met' if threshold['met'] else 'MISSED'}: {threshold['what']}{against} "
                f"{'at most' if threshold['at_most'] else 'at least'} {threshold['value']:.3g}: "
                f"{threshold['measured']:.3g} ({threshold['where']})"
            )


def print_table(title: str, headings: Sequence[str], rows: Any) -> None:
    """Prints a table; nothing if it has no rows."""
    table = Table(*headings, title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    if table.row_count:
        Console(soft_wrap=True).print(table, "")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row["ratio"] is None:
        return (row["baseline"], row["reason"])
    loss = f"{row['baseline_loss']:.5g}{'' if row['same_work'] else ' differs'}"
    seconds = (f"{row['ours_s']:.3g}", f"{row['baseline_s']:.3g}")
    return (row["baseline"], _spread(row, "ratio", "ratio"), *seconds, f"{row['ours_loss']:.5g}", loss)


def _spread(row: Mapping[str, Any], name: str, prefix: str) -> str:
    return f"{row[name]:.2f} ({row[f'{prefix}_low']:.2f} to {row[f'{prefix}_high']:.2f})"


if __name__ == "__main__":
    raise SystemExit(main())
