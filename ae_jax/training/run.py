"""A trained population, its history and its uses."""

import dataclasses
import signal
from html import escape
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.training.compilation import COST, keep_programs
from ae_jax.training.members import Members
from ae_jax.training.run_folder import RUN_FORMAT, History, read_run, require_replaceable, write_run


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM during training; ``run`` holds the result so far.

    Attributes:
      run: the :class:`Run`, with the best parameters so far; of a study, the study with the runs so far.
      signal: the number of the signal that asked for an end.
    """

    def __init__(self, run: Any, number: int = signal.SIGINT):
        super().__init__("training was interrupted; the result so far is in the exception's run.")
        self.run, self.signal = run, int(number)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Run(Members):
    """A trained population and its uses.

    A run fitted with one autoencoder and one seed is ``single``: its codes are ``[n, code]``. Otherwise every result
    has a leading member axis, ``run[i]`` is a single run of one member, and ``run[[i, j]]`` a population of several.

    Attributes:
      autoencoder: the members' autoencoders, stacked: their numbers have a leading member axis.
      seeds: of each member, ``[members]``.
      data: describes the training data: shape, type, range, columns, classes and scaling; every use checks its data
        against it and scales them alike.
      params: the best parameters of each member, every leaf with a leading member axis.
      state: the variables of the models that are not trained (running statistics), likewise.
      history: split -> term -> ``[members, epochs]``, NaN after a member stopped.
      best_epoch: of each member, from 1, ``[members]``; 0 where no epoch was finite.
      finite: false for members whose training met a value that was not finite, ``[members]``.
      settings: of the training: epochs, batch size, patience, policy of divergence.
      record: library versions, device, wall and compile time in seconds.
      single: whether results have no member axis.
    """

    history: History
    best_epoch: np.ndarray
    finite: np.ndarray
    settings: dict[str, Any]
    record: dict[str, Any]

    def __repr__(self) -> str:
        epochs = self.best_epoch.tolist()
        return f"Run({self.name}, seeds={self.seeds.tolist()}, best_epoch={epochs}, parameters={self.parameters})"

    def _rows(self, rows: np.ndarray) -> dict[str, Any]:
        history = jax.tree.map(lambda values: values[rows], self.history)
        own = {"history": history, "best_epoch": self.best_epoch[rows], "finite": self.finite[rows]}
        return super()._rows(rows) | own

    def own_split(self, dataset: Dataset) -> Dataset:
        """A data set under the split that the run's first member was trained on, so that it is tested on no example of
        its training.

        Returns:
          The data set as it is, but for a run of ``resplit=True`` and data of the size trained on, whose splits were
          drawn at random: :meth:`ae_jax.data.Dataset.resplit` by the member's seed.
        """
        return dataset.resplit(int(self.seeds[0])) if self.has_own_splits(dataset) else dataset

    def has_own_splits(self, dataset: Dataset) -> bool:
        """Whether :meth:`own_split` gives each seed another split of a data set."""
        same = (dataset.shape, dataset.spec.examples) == (self.data.shape, self.data.examples)
        return same and bool(dataset.redrawn) and self.settings.get("resplit", False)

    def _repr_html_(self) -> str:
        """A table of the run's facts, and of the last value of each metric as the mean over members."""
        import pandas as pd

        facts = {
            "data": f"{self.data.name} {self.shape}",
            "networks": type(self.autoencoder.networks).__name__,
            "parameters": f"{self.parameters:,}",
            "seeds": ", ".join(map(str, self.seeds.tolist())),
            "wall time": f"{self.record.get('wall_s', float('nan')):.1f} s",
        }
        for split, terms in self.history.items():
            for term, values in terms.items():
                facts[f"{term} ({split})"] = f"{pd.DataFrame(values).ffill(axis=1).iloc[:, -1].mean():.4g}"
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
        return f"<div><strong>{escape(self.name)}</strong><table>{rows}</table></div>"

    def save(self, folder: str | Path) -> Path:
        """Writes the run into a folder atomically: configuration and history as JSON, arrays in the safetensors format.

        A file of digests, ``SHA256SUMS``, lets :func:`load` detect damage.

        Args:
          folder: new, empty, or holding an older run and nothing else, which is replaced.

        Returns:
          The folder.

        Raises:
          InvalidInput: the folder holds something else, or cannot be written.
        """
        folder = Path(folder)
        require_replaceable(folder)
        return write_run(folder, self.configuration(), self.history, self.params, self.state)

    def configuration(self) -> dict[str, Any]:
        """Everything but the arrays, ready for JSON."""
        return {
            "format": RUN_FORMAT,
            "members": [
                {"autoencoder": to_config(member), "seed": int(seed), "best_epoch": int(best), "finite": bool(finite)}
                for member, seed, best, finite in zip(
                    self.members, self.seeds, self.best_epoch, self.finite, strict=True
                )
            ],
            "data": to_config(self.data),
            "settings": self.settings,
            "record": self.record,
            "single": self.single,
        }


def load(folder: str | Path) -> Run:
    """The run that :meth:`Run.save` wrote; components of your own must be imported before.

    The digests in ``SHA256SUMS`` are checked before anything is parsed: they detect damage, not who wrote the run.
    No code is executed but the constructors of components.

    Raises:
      InvalidInput: no run there, one of another format, or a damaged one, with the file that is.
    """
    keep_programs()
    return Run(**read_run(Path(folder)))


def extended(run: Run, latest: Run) -> Run:
    """The latest run with the history and the costs of the run that it continues; NaN where a split was not seen."""
    epochs = run.history["train"]["loss"].shape[1]
    absent = np.full((len(run), latest.history["train"]["loss"].shape[1]), np.nan, np.float32)
    history = {
        split: {
            term: np.concatenate([values, latest.history.get(split, {}).get(term, absent)], axis=1)
            for term, values in terms.items()
        }
        for split, terms in run.history.items()
    }
    costs = {name: round(run.record.get(name, 0) + latest.record[name], 3) for name in COST}
    settings = run.settings | {"epochs": epochs + 1, "batch_size": latest.settings["batch_size"]}
    return dataclasses.replace(latest, history=history, settings=settings, record=run.record | costs)
