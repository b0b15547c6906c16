"""Trainings that tests do on one device and, by this as a program, on several or in several processes.

``python topology.py FOLDER TASKS.json [HOST:PORT INDEX COUNT]`` does tasks, title -> arguments of :func:`train` (of
:func:`work` where the title begins so), and writes FOLDER/TITLE.npz.
"""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

import ae_jax
from ae_jax.data import Dataset, ReadOptions, Scaling, Split, from_arrays
from ae_jax.data.shards import ArrayRows
from ae_jax.data.splits import from_rows
from ae_jax.training import Checkpoints, TrainingInterrupted, initialize, loop
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.data_iterator import Chunk, DataIterator

SIZES: dict[str, Any] = {
    "undercomplete": {"code": 3, "hidden": (12,)},
    "sparse": {"code": 6},
    "variational": {"code": 3, "hidden": (12,)},
    "convolutional": {"code": 3, "channels": (4,)},
}
RATES = (1e-3, 4e-3)


def in_memory() -> Dataset:
    """60 digits to train on and 27 to validate, which 8 devices do not divide."""
    digits = ae_jax.data.digits()
    train, validation = (Split(split.x[:count]) for split, count in ((digits.train, 60), (digits.validation, 27)))
    return Dataset(name="small", train=train, validation=validation, test=train, scaling=Scaling(scale=16.0))


def redrawn() -> Dataset:
    """108 digits, split at random."""
    return from_arrays(ae_jax.data.digits().train.x[:108], scaling=Scaling(scale=16.0))


def streamed() -> Dataset:
    """120 digits to train on in chunks of 32, the last of which is shorter."""
    rows = ArrayRows(ae_jax.data.digits().train.x[:200])
    return from_rows(rows, name="streamed", scaling="unit", reading=ReadOptions(budget=16 * 64 * 32))


def train(
    name: str,
    *,
    members: int = 1,
    stream: bool = False,
    resplit: bool = False,
    mesh: str | None = None,
    checkpoints: str | None = None,
    resume: bool = False,
    ended_by: int | None = None,
) -> dict[str, np.ndarray]:
    """Losses and parameters of a training of three epochs by name, with ``stopped`` where it was ended early.

    Args:
      name: of the autoencoder.
      members: how many rates.
      stream: the data come in chunks.
      resplit: there are two seeds, each with its own split.
      mesh: as ``fit`` takes it.
      checkpoints: their folder.
      resume: as ``fit`` takes it.
      ended_by: the number of the process that gets SIGTERM in the middle of the second epoch.
    """
    choices = [ae_jax.NAMED[name](**SIZES[name], learning_rate=rate) for rate in RATES[:members]]
    if ended_by == jax.process_index():
        DataIterator.epoch = _with_signal(DataIterator.epoch)
    every = None if checkpoints is None else Checkpoints(folder=Path(checkpoints), every_steps=2)
    data = streamed() if stream else redrawn() if resplit else in_memory()
    how = {"seeds": [0, 1] if resplit else 0, "resplit": resplit, "epochs": 3, "batch_size": 16}
    try:
        run = ae_jax.fit(choices, data, **how, mesh=mesh, checkpoints=every, resume=resume)
        stopped = 0
    except TrainingInterrupted as interruption:
        run, stopped = interruption.run, interruption.signal
    found = {f"{split}.{term}": values for split, terms in run.history.items() for term, values in terms.items()}
    leaves = jax.tree.leaves_with_path(run.params)
    return found | {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves} | {"stopped": stopped}


def _with_signal(epoch: Any) -> Any:
    def chunks(self: DataIterator, position: Any) -> Iterator[Chunk]:
        DataIterator.epoch = epoch if position.epoch == 2 else DataIterator.epoch
        for number, chunk in enumerate(epoch(self, position)):
            if position.epoch == 2 and number == 1:
                signal.raise_signal(signal.SIGTERM)
            yield chunk

    return chunks


def work(name: str, **choice: Any) -> dict[str, Any]:
    """Floating-point operations of one device in a step, sums over devices, and how much a second training compiles."""
    advance, found = loop.advance_population, {}

    def measured(*arguments: Any, **settings: Any) -> Any:
        if not found:
            compiled = advance.lower(*arguments, **settings).compile()
            found["flops"] = compiled.cost_analysis()["flops"]
            found["sums"] = compiled.as_text().count(" all-reduce(")
        return advance(*arguments, **settings)

    loop.advance_population = measured
    try:
        train(name, **choice)
    finally:
        loop.advance_population = advance
    with watch_compilation() as compilation:
        train(name, **choice)
    return found | {"programs": compilation.programs}


def main(folder: str, tasks: str, address: str = "", index: str = "0", count: str = "1") -> None:
    """Does the tasks; the first of several processes writes what they give."""
    if address:
        initialize(address, int(count), int(index))
    for title, task in json.loads(Path(tasks).read_text()).items():
        found = work(**task) if title.startswith("work") else train(**task)
        if index == "0":
            np.savez(Path(folder) / f"{title}.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
