"""Trainings that are killed at random moments and resumed until done equal uninterrupted ones.

COMMAND
    python experiments/kill_test.py 2> kill.log
EXPECTED
    each ends with the same bits as the uninterrupted one: runs, results, checkpoints. None is lost or unreadable, and
    nothing else is left beside them. After SIGTERM, it exits with 143 and its newest checkpoint is where it stopped.
    Each is ended at least once, and of 50 or more some are ended in every phase.
MEASURED
    no fault in 201 trainings (42 single, 42 population, 40 streamed, 39 sweep, 38 compare): SIGKILL ended 101 of them
    152 times (starting 8, training 18, saving 64, ending 62) and left 22 hidden copies, all removed (302 starts);
    SIGTERM ended 100 136 times (17, 14, 61, 44; 273 starts). As the first 137 of the default, where the script itself
    failed on a file that had gone while it looked for saves (mended), and --runs 32 --seed 5000. On two cores of an AMD
    EPYC, beside other work.

Each start is a process of its own, forked from one that has imported JAX without initialising it, and does what the
commands train, sweep and compare do with --resume, but for figures. A quarter of the signals come at a moment drawn
from the time that a whole training takes, its start included, a quarter after the first epoch, a quarter while a
checkpoint is being written, and a quarter while runs and results are saved at the end. Five kinds take turns: a single
training with a schedule and rollbacks, a population that loses members to patience, a streamed one that is saved in the
middle of epochs, a sweep of two structures, and a comparison that leaves out steps.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import grain  # noqa: F401, imported here and not in every process that is forked
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint  # noqa: F401

import ae_jax
import ae_jax.report
from ae_jax.atomic import write_text
from ae_jax.cli.options import Training
from ae_jax.cli.session import quiet_libraries, warnings_as_notes
from ae_jax.cli.study import beside, conduct
from ae_jax.components import component
from ae_jax.data import ReadOptions
from ae_jax.data.shards import ArrayRows
from ae_jax.data.splits import from_rows
from ae_jax.studies import compare, path_component, sweep
from ae_jax.training import Callback, TrainingInterrupted
from ae_jax.training.checkpoint import checkpoint_info, latest_checkpoint
from ae_jax.training.compilation import use_persistent_cache
from ae_jax.types import Number, Weight

Row = dict[str, Any]

PHASES = ("starting", "training", "saving", "ending")
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
    """A command: the study that it makes, how it trains, and whether its folder is that of its only run."""

    study: Callable[..., Any]
    training: Training
    one_run: bool = False


def kinds() -> dict[str, Kind]:
    """Returns the five kinds of training, each of which takes seconds."""
    digits = ae_jax.data.digits()
    rows = ArrayRows(digits.train.x, digits.train.labels)
    streamed = from_rows(rows, name="streamed", scaling="unit", reading=ReadOptions(budget=16 * 64 * 256))
    plain, fast = (ae_jax.variational(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 0.1))
    bursting: Any = ae_jax.variational(code=3, hidden=(12,), beta=ae_jax.schedules.Linear(start=0.0, end=1.0, steps=60))
    objective = dataclasses.replace(bursting.objective, penalties=(InfiniteNow(),))
    bursting = dataclasses.replace(bursting, objective=objective, name="bursting")
    grid = {"code": [2, 3], "hidden": [(12,)], "learning_rate": [1e-3, 1e-2]}
    how = partial(Training, seeds=2, epochs=20, batch_size=32, resume=True, checkpoint_steps=200)
    rolled_back = how(seeds=1, epochs=80, checkpoint_steps=700, on_divergence="rollback")
    return {
        "single": Kind(partial(compare, digits, [bursting]), rolled_back, True),
        "population": Kind(partial(compare, digits, [fast]), how(seeds=3, epochs=40, patience=3), True),
        "streamed": Kind(partial(compare, streamed, [plain]), how(epochs=5, checkpoint_steps=40), True),
        "sweep": Kind(partial(sweep, "undercomplete", digits, grid), how()),
        "compare": Kind(partial(compare, digits, [plain, bursting]), how(on_divergence="skip")),
    }


@dataclasses.dataclass
class Reporter(Callback):
    """Reports the end of each epoch."""

    say: Callable[[str], None]

    def on_epoch(self, progress: Any) -> None:
        """Reports the epoch."""
        self.say("epoch")


def train(kind: Kind, folder: Path, told: int) -> int:
    """Trains or resumes in this process, writes all results, reports their digest, and returns the exit code."""

    def say(what: str) -> None:
        os.write(told, f"{what}\n".encode())

    def study(callbacks: Any, **how: Any) -> Any:
        try:
            found = kind.study(callbacks=[*callbacks, Reporter(say)], **how)
        except TrainingInterrupted as stopped:
            for name, run in list(stopped.run.runs.items())[-1:]:  # type: ignore
                position = checkpoint_info(beside(folder) / path_component(name))
                say(f"stopped {run.history['train']['loss'].shape[1] if run.history else 0}")
                say(f"saved {-1 if position is None else position.epoch}")
            raise
        say("trained")
        return found

    code = conduct(study, kind.training, folder, json=False, one_run=kind.one_run)
    if not code:
        say(f"digest {digest(folder)}")
    return code


def digest(folder: Path) -> str:
    """Returns a digest of runs, results and newest checkpoints, but for versions and times."""
    found, parts = hashlib.sha256(), {"configuration.json": "members", "results.json": "rows"}
    for path in [*sorted(folder.rglob("*.json")), *sorted(folder.rglob("*.safetensors"))]:
        content = path.read_bytes()
        found.update(json.dumps(json.loads(content)[parts[path.name]]).encode() if path.name in parts else content)
    for path in sorted(beside(folder).iterdir()):
        saved = latest_checkpoint(path)
        for name, array in {} if saved is None else sorted(saved.arrays.items()):
            found.update(f"{path.name} {name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def entries(place: Path) -> set[str]:
    """Returns the paths of everything in a folder, where the checkpoints of a training have one name."""
    return {re.sub(r"/\d+(/.*)?$", "/STEP", path.relative_to(place).as_posix()) for path in place.rglob("*")}


class Process:
    """A training in a process forked from this one; all that it writes, temporary files too, is in its place."""

    def __init__(self, kind: Kind, place: Path, cache: Path):
        self.place, self.log, (self._reads, told) = place, place.with_suffix(".log"), os.pipe()
        self.started, self.said, self.code, self.before = time.monotonic(), "", None, 0
        (place / "tmp").mkdir(parents=True, exist_ok=True)
        self.number = os.fork()
        if self.number == 0:
            self._be(kind, cache, told)
        os.close(told)
        os.set_blocking(self._reads, False)

    def _be(self, kind: Kind, cache: Path, told: int) -> None:
        code = 1
        try:
            os.close(self._reads)
            with self.log.open("ab") as log:
                for stream in (1, 2):
                    os.dup2(log.fileno(), stream)
            tempfile.tempdir = str(self.place / "tmp")
            use_persistent_cache(cache)
            ae_jax.report.write_report = lambda _, path, dataset: write_text(path, "figures take half of the time")
            with warnings_as_notes():
                code = train(kind, self.place / "out", told)
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)

    @property
    def ended(self) -> bool:
        """Reads the process's messages and returns whether it has ended."""
        try:
            while read := os.read(self._reads, 1 << 16):
                self.said += read.decode()
        except BlockingIOError:
            pass
        if self.code is not None:
            return True
        number, status = os.waitpid(self.number, os.WNOHANG)
        self.code = os.waitstatus_to_exitcode(status) if number else None
        return self.code is not None and self.ended

    @property
    def epochs(self) -> int:
        """Number of epochs that this process reported."""
        return self.said.count("epoch")

    @property
    def phase(self) -> str:
        """The current phase."""
        if "trained" in self.said:
            return "ending"
        saving = False
        with contextlib.suppress(FileNotFoundError):  # a temporary file has gone meanwhile
            saving = any(self.place.glob("out.checkpoints/*/*.orbax-checkpoint-tmp"))
        return "starting" if not self.epochs else "saving" if saving else "training"

    def heard(self, word: str) -> str | None:
        """Returns the last message with this keyword."""
        return next((line.split()[1] for line in reversed(self.said.splitlines()) if line.startswith(word)), None)

    def wait(self) -> None:
        """Waits until it has ended, or kills it after ten minutes."""
        while not self.ended:
            if time.monotonic() > self.started + 600.0:
                os.kill(self.number, signal.SIGKILL)
            time.sleep(0.002)
        os.close(self._reads)
        self.seconds = time.monotonic() - self.started

    def end(self, number: signal.Signals, rng: np.random.Generator, whole: float) -> str | None:
        """Sends a signal at a random moment and returns the phase that it met, or None if it came too late."""
        kind = rng.choice(PHASES)
        while not self.ended and not (kind == "starting" or self.phase == kind):
            time.sleep(0.0005)
        longest = {"starting": whole, "training": whole / 2}.get(kind, 0.1)
        moment = time.monotonic() + rng.uniform(0.0, longest)
        while not self.ended and time.monotonic() < moment:
            time.sleep(0.0005)
        phase, self.before = None if self.ended else self.phase, self.epochs
        if phase is not None:
            os.kill(self.number, number)
        self.wait()
        return phase


def uninterrupted(kind: Kind, place: Path, cache: Path) -> Process:
    """Runs a training twice to its end and returns the second; the first compiles."""
    for number in range(2):
        process = Process(kind, place / str(number), cache)
        process.wait()
        if process.code:
            raise SystemExit(f"a training that nobody killed ended with {process.code}: {process.log.read_text()}")
    return process


def endure(row: Row, kind: Kind, whole: Process, place: Path, cache: Path, seed: int) -> None:
    """Ends a training up to three times, then lets it finish; if it finishes first, it starts anew. Adds to the row."""
    rng, number, ended, fault = np.random.default_rng(seed), signal.Signals[row["signal"]], 0, None
    times = rng.integers(1, 4)
    while fault is None:
        process = Process(kind, place, cache)
        row["starts"] += 1
        phase = process.end(number, rng, whole.seconds) if ended < times else process.wait()
        if phase is None:
            fault = verdict(process, whole)
            if ended:
                break
            shutil.rmtree(place)
        else:
            ended += 1
            row["ended"][phase] += 1
            row["copies"] += sum(1 for _ in place.rglob(".*-????????"))
            fault = stopped_badly(process) if number == signal.SIGTERM else None
    row["faults"] += [fault] if fault else []
    row["runs"] += 1


def verdict(process: Process, whole: Process) -> str | None:
    """Returns the fault of a finished training, or None."""
    if process.code != 0:
        return f"ended with {process.code}: {' '.join(process.log.read_text().splitlines()[-1:])}"
    if process.heard("digest") != whole.heard("digest"):
        return "other bits"
    different = entries(process.place) ^ entries(whole.place)
    return f"left or lacks {', '.join(sorted(different))}" if different else None


def stopped_badly(process: Process) -> str | None:
    """Returns the fault of a training ended by SIGTERM, or None; the signal may come before or after it is handled."""
    if process.code == 0:
        left = process.epochs - process.before
        return f"trained on for {left} epochs" if left > 1 else None  # one that was trained was perhaps not yet told of
    if process.code == -signal.SIGTERM and process.phase in ("starting", "ending"):
        return None
    if process.code != 128 + signal.SIGTERM:
        return f"exit code {process.code}"
    stopped, saved = process.heard("stopped"), process.heard("saved")
    return None if stopped == saved else f"stopped after epoch {stopped}, with a checkpoint of {saved}"


def study(numbers: list[str], runs: int, seed: int, folder: Path) -> list[Row]:
    """Returns a row for each signal and kind of training, and prints it on stderr whenever it grows."""
    trainings, cache = dict(list(kinds().items())[:runs]), folder / "compiled"
    whole = {name: uninterrupted(kind, folder / f"{name} alone", cache) for name, kind in trainings.items()}
    rows = {}
    for count, number in itertools.product(range(runs), numbers):
        name, place = list(trainings)[count % len(trainings)], folder / f"{number} {count}"
        empty = {"runs": 0, "starts": 0, "ended": dict.fromkeys(PHASES, 0), "copies": 0, "faults": []}
        row = rows.setdefault((number, name), {"signal": number, "training": name, **empty})
        endure(row, trainings[name], whole[name], place, cache, seed + 2 * count + (number == "SIGTERM"))
        print(json.dumps(row), file=sys.stderr, flush=True)
        shutil.rmtree(place, ignore_errors=True)
    return sorted(rows.values(), key=lambda row: row["signal"])


def unmet(rows: list[Row]) -> list[str]:
    """Returns the phases that no signal met although there were enough trainings."""
    return [
        f"no {number} came in {phase}"
        for number in dict.fromkeys(row["signal"] for row in rows)
        if sum(row["runs"] for row in rows if row["signal"] == number) >= ENOUGH
        for phase in PHASES
        if not any(row["ended"][phase] for row in rows if row["signal"] == number)
    ]


def main() -> None:
    """Prints a row of JSON for each signal and kind; exits with 1 after a fault or if signals missed a phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="trainings for each signal (count)")
    parser.add_argument("--signals", nargs="+", choices=("SIGKILL", "SIGTERM"), default=("SIGKILL", "SIGTERM"))
    parser.add_argument("--seed", type=int, default=0, help="of the moments (count)")
    arguments = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as name:
        rows = study(arguments.signals, arguments.runs, arguments.seed, Path(name))
    print(*map(json.dumps, rows), sep="\n")
    sys.exit("\n".join(unmet(rows)) or any(row["faults"] for row in rows))


if __name__ == "__main__":
    main()
