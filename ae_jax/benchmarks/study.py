"""The whole benchmark: what is asked for, measured piece by piece, and what has been measured so far."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import jax

from ae_jax._checks import positive_whole
from ae_jax.benchmarks.bars import geometric_means, judge
from ae_jax.benchmarks.images import images_of
from ae_jax.benchmarks.measure import measure, require_installed, works_named
from ae_jax.benchmarks.populations import MEMBERS, cost_of_members
from ae_jax.benchmarks.roofline import look_at_machine
from ae_jax.benchmarks.scaling import AXES, CHECK, cost_model, exponents
from ae_jax.benchmarks.startup import startup
from ae_jax.benchmarks.works import Work, whole
from ae_jax.errors import InvalidInput, unknown
from ae_jax.training.environment import environment

MEASURES = ("startup", "peers", "populations", "scaling")
"""What can be measured: how it begins; every work against its peers, and the machine's limits; members; growth."""


_SHORT_CHECK = CHECK | {"examples": 512, "members": 1}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """What is measured.

    Attributes:
      measures: of :data:`MEASURES`.
      works, peers, batches: those that are wanted; None are all.
      rounds: in each of which everybody trains.
      epochs: of everybody in a round.
      examples: rounded down to a multiple of 512, so that every batch is full.
      source: of images of 28 by 28 bytes, or None for drawn ones.
      memory: peaks of memory too, each in a process of its own.
      quick: sizes that only show that everything works: the numbers mean nothing.

    Raises:
      InvalidInput: an unknown name, a peer that is not installed, a batch size that no work has, a number below one.
    """

    measures: Sequence[str] = MEASURES
    works: Sequence[str] | None = None
    peers: Sequence[str] | None = None
    batches: Sequence[int] | None = None
    rounds: int = 5
    epochs: int = 4
    examples: int = 20_000
    source: str | None = None
    memory: bool = True
    quick: bool = False

    def __post_init__(self) -> None:
        for name in self.measures:
            if name not in MEASURES:
                raise unknown("measure", name, MEASURES)
        for name in ("rounds", "epochs", "examples"):
            positive_whole("the benchmark", name, getattr(self, name))
        require_installed(self.peers)
        works = works_named(self.works)
        for peer in self.peers or ():
            if not any(peer in work.peers for work in works):
                raise InvalidInput(
                    f"no work that was asked for is done by the peer {peer}: expected one of "
                    f"{', '.join(sorted({name for work in works for name in work.peers}))}."
                )
        if "peers" in self.measures and not self.pairs():
            raise InvalidInput(
                f"no work that was asked for has a batch size of {', '.join(map(str, self.batches or ()))}: expected "
                + ", ".join(f"{work.name} at {', '.join(map(str, work.batches))}" for work in works)
                + "."
            )

    def pairs(self) -> list[tuple[Work, int]]:
        """The works that are measured, each at one batch size."""
        pairs = [
            (work, batch)
            for work in works_named(self.works)
            for batch in work.batches
            if self.batches is None or batch in self.batches
        ]
        return [(_shortened(work), batch) for work, batch in pairs] if self.quick else pairs

    def run(self, say: Callable[[str], None] = lambda _: None) -> Iterator[dict[str, Any]]:
        """Measures, and gives after each piece everything that was measured so far.

        Args:
          say: told what is measured next.

        Yields:
          ``rows``, ``roofline``, ``populations``, ``scaling``, ``geometric_means``, ``bars``, ``environment``, what
          was ``skipped``, with the reason, and once they are known ``startup`` and ``cost_model``.
        """
        results = self._begun()
        rounds, epochs = (1, 3) if self.quick else (self.rounds, self.epochs)
        if "startup" in self.measures:
            say("imports, the first epoch and the programs of a comparison")
            results["startup"] = startup(rounds=rounds)
            yield _finished(results)
        if "peers" in self.measures:
            yield from self._against_peers(results, say)
        if "populations" in self.measures:
            say("members of populations")
            members = MEMBERS[:2] if self.quick else MEMBERS
            for row in cost_of_members(members=members, rounds=rounds, epochs=epochs):
                results["populations"].append(row)
                yield _finished(results)
        if "scaling" in self.measures:
            say("growth with examples, features, code, members and batch")
            axes = {axis: values[:2] for axis, values in AXES.items()} if self.quick else AXES
            for row in exponents(axes, rounds=rounds, epochs=epochs):
                results["scaling"].append(row)
                yield _finished(results)
            say("a model of the cost, against a size that it was not fitted to")
            check = _SHORT_CHECK if self.quick else CHECK
            results["cost_model"] = cost_model(results["scaling"], check, rounds=rounds, epochs=epochs)
            yield _finished(results)

    def _against_peers(self, results: dict[str, Any], say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
        say("the limits of this machine")
        examples, rounds, epochs = (512, 1, 3) if self.quick else (self.examples, self.rounds, self.epochs)
        images = images_of(self.source, whole(examples))
        machine = look_at_machine(rounds=1, copied=2**22) if self.quick else look_at_machine()
        results["machine"] = machine.row()
        for work, batch in self.pairs():
            say(f"{work.name}, batch {batch}: {work.about}")
            rows, roof = measure(
                work,
                batch,
                images,
                machine,
                peers=self.peers,
                rounds=rounds,
                epochs=epochs,
                memory=self.memory and not self.quick,
            )
            results["rows"] += rows
            results["roofline"].append(roof)
            yield _finished(results)

    def _begun(self) -> dict[str, Any]:
        gpu = "the GPU leg was left out, as JAX has no GPU here; the same command runs it where there is one"
        return {
            "study": "bench",
            "settings": dataclasses.asdict(self),
            "environment": environment() | {"threads": threads(), "peers": _versions()},
            "skipped": [] if jax.default_backend() == "gpu" else [gpu],
            "rows": [],
            "roofline": [],
            "populations": [],
            "scaling": [],
        }


def _shortened(work: Work) -> Work:
    """The same work on few examples and epochs."""
    return dataclasses.replace(work, share=1.0, steps=2, epochs=None, rounds=1)


def _finished(results: dict[str, Any]) -> dict[str, Any]:
    """A copy of what was measured, with what follows from it."""
    results = {name: list(value) if isinstance(value, list) else value for name, value in results.items()}
    results["geometric_means"] = geometric_means(results["rows"])
    verdicts = [
        verdict.bar._asdict() | {"where": verdict.where, "measured": verdict.value, "met": verdict.met}
        for verdict in judge(results)
    ]
    return results | {"bars": verdicts}


def threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _versions() -> dict[str, str]:
    return {package: metadata.version(package) for package in ("torch", "pythae") if find_spec(package)}
