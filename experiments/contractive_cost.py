"""Time of a step with the exact contractive penalty, over a step without it and over the other exact methods.

COMMAND
    python experiments/contractive_cost.py
EXPECTED
    784-500 sigmoid encoder, batch 100: a gradient step with the exact penalty at most 1.5 times the step without it;
    three-layer encoders: at most the cheaper of forward and reverse mode (ratio at most 1).
MEASURED
    see the table in experiments/README.md; medians of interleaved repetitions in one process, ratios only.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import jax

import ae_jax
from ae_jax.objectives import Contractive, Reconstruction
from ae_jax.training import algorithm
from ae_jax.types import Batch
from benchmarks.timing import interleave, print_rows, timed

BATCH = 100
NETWORKS = {
    "784-500 sigmoid": ae_jax.networks.MLP(hidden=(), code=500, code_activation="sigmoid"),
    "784-500-100-30 sigmoid": ae_jax.networks.MLP(
        hidden=(500, 100), code=30, activation="sigmoid", code_activation="sigmoid"
    ),
    "784-256-64-16 gelu, linear code": ae_jax.networks.MLP(hidden=(256, 64), code=16, activation="gelu"),
}


def gradient_step(networks: ae_jax.networks.MLP, method: str | None) -> Callable[[], Any]:
    """Returns a compiled training step, without the penalty or with it by a method."""
    penalties = () if method is None else (Contractive(weight=0.1, method=method),)
    autoencoder = ae_jax.Autoencoder(name="cost", networks=networks, objective=Reconstruction(penalties=penalties))
    init, step = algorithm(autoencoder, (784,))
    arguments = (init(jax.random.key(0)), jax.random.key(2), Batch(jax.random.uniform(jax.random.key(1), (BATCH, 784))))
    compiled = jax.jit(step).lower(*arguments).compile()
    return lambda: compiled(*arguments)


def measure(repetitions: int) -> Iterator[dict[str, Any]]:
    """Measures rows of ratios: each method's step over the step without the penalty."""
    for name, networks in NETWORKS.items():
        one_layer = not networks.hidden
        ways = ("closed_form", "estimated") if one_layer else ("closed_form", "forward", "reverse", "estimated")
        steps = {"plain": gradient_step(networks, None)} | {way: gradient_step(networks, way) for way in ways}
        taken = interleave({name: timed(run) for name, run in steps.items()}, rounds=repetitions)
        seconds = {name: statistics.median(values) for name, values in taken.items()}
        ratios = {way: seconds[way] / seconds["plain"] for way in ways}
        if not one_layer:
            cheaper = min(ratios["forward"], ratios["reverse"])
            ratios["closed_form over the cheaper mode"] = ratios["closed_form"] / cheaper
        for way, ratio in ratios.items():
            yield {"networks": name, "way": way, "ratio_to_plain_step": ratio}


def main() -> None:
    """Prints one line for each ratio, or JSON, as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=21, help="timed rounds (count)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()

    def line(row: dict[str, Any]) -> str:
        return f"{row['networks']:34} {row['way']:34} {row['ratio_to_plain_step']:8.2f}"

    print_rows(measure(arguments.repetitions), line, as_json=arguments.json)


if __name__ == "__main__":
    main()
