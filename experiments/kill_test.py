"""Trainings that are killed at random moments and resumed until done equal uninterrupted ones.

COMMAND
    python experiments/kill_test.py
EXPECTED
    each ends with the same bits as the uninterrupted training: parameters, optimiser state, history. None is lost or
    unreadable. After SIGTERM, it exits with 143 and its newest checkpoint is where it stopped. Each is ended at least
    once, and of 50 or more some are ended in every phase.
MEASURED
    no fault in 100 trainings that SIGKILL ended 179 times (starting 51, training 23, saving 105; 296 starts), nor in
    100 that SIGTERM ended 170 times (41, 28, 101; 285 starts); as five times --runs 20, with the seeds 0, 1000, 2000,
    3000 and 4000, beside other work on two cores of an AMD EPYC.

Each start is a process of its own, forked from one that has imported JAX without initialising it. A third of the
signals come at a moment drawn from the time that a whole training takes, its start included, a third after the first
epoch, and a third while a checkpoint is being written. Three kinds of training take turns: a population that loses
members to patience, a streamed one that is saved in the middle of epochs, and one with a schedule and rollbacks.
"""

import argparse
import collections
import dataclasses
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ae_jax
from ae_jax.components import component
from ae_jax.data import Dataset, ReadOptions
from ae_jax.data.shards import ArrayRows
from ae_jax.data.splits import from_rows
from ae_jax.training import Callback, Checkpoints, Progress, TrainingInterrupted
from ae_jax.training.checkpoint import checkpoint_info, latest_checkpoint
from ae_jax.training.compilation import use_persistent_cache
from ae_jax.types import Number, Weight

for _module in ("grain", "orbax.checkpoint"):
    importlib.import_module(_module)  # once, and not in every process that is forked

PHASES = ("starting", "training", "saving")
ENOUGH = 50
"""Trainings of which some must have been ended in every phase."""


@component
class InfiniteNow:
    """A penalty that is infinite in some steps, decided by their key."""

    name: ClassVar[str] = "infinite_now"
    probability: Number = 0.002
    weight: Weight = 1.0

    def __call__(self, model: Any, key: Any, batch: Any, code: Any) -> Any:
        return jnp.where(jax.random.uniform(key) < self.probability, jnp.inf, 0.0)


class Kind(NamedTuple):
    """A training: its data, the other arguments of ``fit``, and the steps between checkpoints."""

    data: Dataset
    settings: dict[str, Any]
    every_steps: int


def kinds() -> dict[str, Kind]:
    """Returns the three kinds of training, each of which takes seconds."""
    digits = ae_jax.data.digits()
    rows = ArrayRows(digits.train.x, digits.train.labels)
    streamed = from_rows(rows, name="streamed", scaling="unit", reading=ReadOptions(budget=16 * 64 * 256))
    population = [ae_jax.variational(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 0.1)]
    warm_up = ae_jax.schedules.Linear(start=0.0, end=1.0, steps=60)
    bursting = ae_jax.variational(code=3, hidden=(12,), beta=warm_up)
    bursting = dataclasses.replace(
        bursting, objective=dataclasses.replace(bursting.objective, penalties=(InfiniteNow(),))
    )
    of_population = {"autoencoder": population, "seeds": [0, 1], "epochs": 40, "patience": 3}
    of_stream = {"autoencoder": ae_jax.undercomplete(code=3, hidden=(12,)), "seeds": [3, 4], "epochs": 5}
    of_bursts = {"autoencoder": bursting, "seeds": 0, "epochs": 80, "on_divergence": "rollback"}
    return {
        "population": Kind(digits, of_population, every_steps=400),
        "streamed": Kind(streamed, of_stream, every_steps=40),
        "rolled back": Kind(digits, of_bursts, every_steps=700),
    }


class Reporter(Callback):
    """Reports the end of each epoch."""

    def __init__(self, say: Callable[[str], None]):
        self.say = say

    def on_epoch(self, progress: Progress) -> None:
        """Reports the epoch."""
        self.say(f"epoch {progress.epoch}")


def train(kind: Kind, folder: Path, told: int) -> None:
    """Trains or resumes in this process and reports a digest of the result."""

    def say(what: str) -> None:
        os.write(told, f"{what}\n".encode())

    try:
        say("started")
        checkpoints = Checkpoints(folder=folder, every_steps=kind.every_steps)
        run = ae_jax.fit(
            data=kind.data,
            batch_size=32,
            checkpoints=checkpoints,
            resume=True,
            callbacks=[Reporter(say)],
            **kind.settings,
        )
    except TrainingInterrupted as stopped:
        position = checkpoint_info(folder)
        say(f"stopped {stopped.run.history['train']['loss'].shape[1] if stopped.run.history else 0}")
        say(f"saved {-1 if position is None else position.epoch}")
        sys.exit(128 + stopped.signal)
    saved = latest_checkpoint(folder)
    assert saved is not None
    say(f"digest {digest({'run': run.params, 'history': run.history, 'epoch': run.best_epoch, 'all': saved.arrays})}")


def digest(tree: Any) -> str:
    """Returns a digest of every array of a tree, by name, type, shape and bits."""
    found = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(tree):
        array = np.asarray(leaf)
        found.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


class Process:
    """A training in a process forked from this one."""

    def __init__(self, kind: Kind, folder: Path, cache: Path):
        self.folder, (self._reads, told) = folder, os.pipe()
        self.started, self.said, self.code, self.before = time.monotonic(), "", None, 0
        sys.stdout.flush()
        self.number = os.fork()
        if self.number == 0:
            self._be(kind, cache, told)
        os.close(told)
        os.set_blocking(self._reads, False)

    def _be(self, kind: Kind, cache: Path, told: int) -> None:
        code = 1
        try:
            os.close(self._reads)
            warnings.simplefilter("ignore")
            use_persistent_cache(cache)
            train(kind, self.folder, told)
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        except BaseException:
            traceback.print_exc()
        os._exit(code)

    @property
    def ended(self) -> bool:
        """Reads the process's messages and returns whether it has ended."""
        try:
            while read := os.read(self._reads, 1 << 16):
                self.said += read.decode()
        except BlockingIOError:
            pass
        if self.code is None:
            number, status = os.waitpid(self.number, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if number else None
            return self.code is not None and self.ended
        return True

    @property
    def saving(self) -> bool:
        """Whether a checkpoint is being written."""
        return any(self.folder.glob("*.orbax-checkpoint-tmp"))

    @property
    def training(self) -> bool:
        """Whether it is training."""
        position = checkpoint_info(self.folder)
        return "epoch" in self.said and not (position is not None and position.finished)

    @property
    def epochs(self) -> int:
        """Number of reported epochs, including those of earlier processes."""
        return int(self.heard("epoch") or 0)

    @property
    def phase(self) -> str:
        """The current phase."""
        return "saving" if self.saving else "training" if "epoch" in self.said else "starting"

    def heard(self, word: str) -> str | None:
        """Returns the last message with this keyword."""
        return next((line.split()[1] for line in reversed(self.said.splitlines()) if line.startswith(word)), None)

    def wait(self, seconds: float = 600.0) -> None:
        """Waits until it has ended."""
        until = time.monotonic() + seconds
        while not self.ended:
            if time.monotonic() > until:
                os.kill(self.number, signal.SIGKILL)
            time.sleep(0.002)
        os.close(self._reads)

    def end(self, number: signal.Signals, rng: np.random.Generator, whole: float) -> str | None:
        """Sends a signal at a random moment and returns the phase that it met, or None if it came too late.

        Args:
          number: the signal's number.
          rng: draws the moment: within the whole time, after the first epoch, or during a save.
          whole: seconds of the whole training.
        """
        kind = rng.choice(PHASES)
        while not self.ended and not (kind == "starting" or self.phase == kind):
            time.sleep(0.0005)
        longest = {"starting": whole, "training": whole / 2, "saving": 0.1}[kind]
        moment = time.monotonic() + rng.uniform(0.0, longest)
        while not self.ended and time.monotonic() < moment:
            time.sleep(0.0005)
        if self.ended:
            self.wait()
            return None
        phase, self.before = self.phase, self.epochs
        os.kill(self.number, number)
        self.wait()
        return phase


class Outcome(NamedTuple):
    """Result of one training: the phases in which it was ended, the number of starts, and the fault, if any."""

    kind: str
    phases: list[str]
    starts: int
    fault: str | None


class Reference(NamedTuple):
    """The uninterrupted training: its digest and its seconds."""

    digest: str
    seconds: float


def reference(kind: Kind, folder: Path, cache: Path) -> Reference:
    """Runs the uninterrupted training twice and returns the second; the first compiles."""
    for number in range(2):
        process = Process(kind, folder / str(number), cache)
        process.wait()
        seconds, found = time.monotonic() - process.started, process.heard("digest")
        if process.code != 0 or found is None:
            raise SystemExit(f"a training that nobody killed ended with {process.code}.")
    return Reference(found, seconds)


def endure(
    name: str, kind: Kind, expected: Reference, folder: Path, cache: Path, number: signal.Signals, seed: int
) -> Outcome:
    """Ends a training one to three times, then lets it finish; if it finishes first, it starts anew."""
    rng, phases, starts = np.random.default_rng(seed), [], 0
    times = rng.integers(1, 4)
    while len(phases) < times:
        process, starts = Process(kind, folder, cache), starts + 1
        phase = process.end(number, rng, expected.seconds)
        if phase is None:
            fault = verdict(process, expected)
            if phases or fault:
                return Outcome(name, phases, starts, fault)
            shutil.rmtree(folder)
            continue
        phases.append(phase)
        if number == signal.SIGTERM and (fault := stopped_badly(process)):
            return Outcome(name, phases, starts, fault)
    process = Process(kind, folder, cache)
    process.wait()
    return Outcome(name, phases, starts + 1, verdict(process, expected))


def verdict(process: Process, expected: Reference) -> str | None:
    """Returns the fault of a finished training, or None."""
    if process.code != 0:
        return f"ended with {process.code}"
    return None if process.heard("digest") == expected.digest else "other bits"


def stopped_badly(process: Process) -> str | None:
    """Returns the fault of a training ended by SIGTERM, or None; the signal may come before or after it is handled."""
    if process.code == 0:
        left = process.epochs - process.before
        return f"trained on for {left} epochs" if left > 1 else None  # one that was trained was perhaps not yet told of
    if process.code == -signal.SIGTERM and not process.training:
        return None
    if process.code != 128 + signal.SIGTERM:
        return f"exit code {process.code}"
    stopped, saved = process.heard("stopped"), process.heard("saved")
    return None if stopped == saved else f"stopped after epoch {stopped}, with a checkpoint of {saved}"


def study(numbers: list[signal.Signals], runs: int, seed: int, folder: Path, cache: Path) -> list[tuple[str, Outcome]]:
    """Returns the outcomes of that many trainings for each signal, and tells each on stderr as it comes."""
    found, trainings = [], kinds()
    expected = {name: reference(kind, folder / f"{name} alone", cache) for name, kind in trainings.items()}
    for number in numbers:
        for count in range(runs):
            name = list(trainings)[count % len(trainings)]
            place = folder / f"{number.name} {count}"
            drawn = seed + 2 * count + (number == signal.SIGTERM)
            outcome = endure(name, trainings[name], expected[name], place, cache, number, drawn)
            found.append((number.name, outcome))
            ended = f"ended in {', '.join(outcome.phases) or 'no phase'}: {outcome.fault or 'no fault'}"
            print(f"{number.name} {count + 1} of {runs}, {name}, {ended}", file=sys.stderr, flush=True)
    return found


def rows_of(found: list[tuple[str, Outcome]]) -> list[dict[str, Any]]:
    """Returns a row for each signal and kind of training."""
    groups = collections.defaultdict(list)
    for number, outcome in found:
        groups[number, outcome.kind].append(outcome)
    rows = []
    for (number, kind), outcomes in groups.items():
        ended = collections.Counter(phase for outcome in outcomes for phase in outcome.phases)
        rows.append(
            {
                "signal": number,
                "training": kind,
                "runs": len(outcomes),
                "starts": sum(outcome.starts for outcome in outcomes),
                "ended": {phase: ended[phase] for phase in PHASES},
                "faults": [outcome.fault for outcome in outcomes if outcome.fault],
            }
        )
    return rows


def unmet(rows: list[dict[str, Any]]) -> list[str]:
    """Returns the phases that no signal met although there were enough trainings."""
    return [
        f"no {number} came in {phase}"
        for number in dict.fromkeys(row["signal"] for row in rows)
        if sum(row["runs"] for row in rows if row["signal"] == number) >= ENOUGH
        for phase in PHASES
        if not any(row["ended"][phase] for row in rows if row["signal"] == number)
    ]


def main() -> None:
    """Prints a table, or JSON; exits with 1 after a fault or if signals missed a phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="trainings for each signal (count)")
    parser.add_argument("--signals", nargs="+", choices=("SIGKILL", "SIGTERM"), default=("SIGKILL", "SIGTERM"))
    parser.add_argument("--seed", type=int, default=0, help="of the moments (count)")
    parser.add_argument("--cache", type=Path, help="folder of compiled programs; by default one that is removed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        cache = arguments.cache or Path(name) / "compiled"
        numbers = [signal.Signals[number] for number in arguments.signals]
        rows = rows_of(study(numbers, arguments.runs, arguments.seed, Path(name), cache))
    if arguments.json:
        print(*map(json.dumps, rows), sep="\n")
    else:
        print(f"{'signal':8} {'training':12} {'runs':>5} {'starts':>7}  {'  '.join(PHASES)}  faults")
        for row in rows:
            counts = "  ".join(f"{row['ended'][phase]:>{len(phase)}}" for phase in PHASES)
            faults = "; ".join(row["faults"]) or "none"
            print(f"{row['signal']:8} {row['training']:12} {row['runs']:5} {row['starts']:7}  {counts}  {faults}")
    missed = unmet(rows)
    for what in missed:
        print(what, file=sys.stderr)
    if missed or any(row["faults"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
