"""A trained population, its history and its uses."""

import dataclasses
import signal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ae_jax._reprs import as_html, as_text, listed
from ae_jax.atomic import replacing
from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.export import Format, export
from ae_jax.public import public
from ae_jax.training.compilation import COST, keep_programs
from ae_jax.training.members import Members
from ae_jax.training.population import swept_values
from ae_jax.training.run_folder import RUN_FORMAT, SAMPLERS, History, read_run, require_replaceable, write_run

if TYPE_CHECKING:
    import pandas as pd


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
      samplers: name -> a run over the codes of each member, as :meth:`sampler` fitted them.
    """

    history: History
    best_epoch: np.ndarray
    finite: np.ndarray
    settings: dict[str, Any]
    record: dict[str, Any]

    def __repr__(self) -> str:
        return as_text(f"Run of {self.name}", self._facts())

    def _repr_html_(self) -> str:
        return as_html(f"Run of {self.name}", self._facts())

    def _facts(self) -> dict[str, str]:
        """Facts for a reader, with the last value of each metric as the mean over members."""
        import pandas as pd

        seeds = listed(list(dict.fromkeys(self.seeds.tolist())))
        swept = ", ".join(f"{name} {listed(list(dict.fromkeys(of)))}" for name, of in self.swept.items())
        facts = {
            "data": f"{self.data.name} {self.shape}",
            "networks": type(self.autoencoder.networks).__name__,
            "parameters": f"{self.parameters:,}",
            "members": f"{swept} (seeds {seeds})" if swept else f"seed{'s' * (len(self) > 1)} {seeds}",
            "best epoch": listed(list(dict.fromkeys(self.best_epoch.tolist()))),
            "wall time": f"{self.record.get('wall_s', float('nan')):.1f} s",
        }
        for split, terms in self.history.items():
            last = {term: pd.DataFrame(values).ffill(axis=1).iloc[:, -1].mean() for term, values in terms.items()}
            facts[split] = ", ".join(f"{term} {value:.4g}" for term, value in last.items())
        return facts

    @property
    def swept(self) -> dict[str, list[float]]:
        """The values of each member, by the names of the numbers in which the members' autoencoders differ."""
        return swept_values(self.autoencoder)

    def to_frame(self) -> "pd.DataFrame":
        """The history as a tidy table, which leaves out epochs after a member stopped.

        Returns:
          A data frame of a row for each member, epoch, split and term: autoencoder, member, seed, the numbers in which
          members differ, epoch, split, term, value.

        Example:
          >>> import ae_jax
          >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), ae_jax.data.digits(), seeds=[0, 1], epochs=2)
          >>> run.to_frame().groupby(["split", "epoch"])["value"].count().tolist()
          [4, 4, 4, 4]
        """
        import pandas as pd

        tables = []
        for split, terms in self.history.items():
            for term, values in terms.items():
                member, epoch = np.indices(values.shape).reshape(2, -1)
                swept = {name: np.array(of)[member] for name, of in self.swept.items()}
                who = {"autoencoder": self.name, "member": member, "seed": self.seeds[member]} | swept
                what = {"epoch": epoch + 1, "split": split, "term": term, "value": values.ravel()}
                tables.append(pd.DataFrame(who | what))
        if not tables:
            return pd.DataFrame()
        return pd.concat(tables, ignore_index=True).dropna(subset="value", ignore_index=True)

    def _rows(self, rows: np.ndarray) -> dict[str, Any]:
        history = jax.tree.map(lambda values: values[rows], self.history)
        own = {"history": history, "best_epoch": self.best_epoch[rows], "finite": self.finite[rows]}
        return super()._rows(rows) | own

    def sampler(self, name: str, data: Dataset | None = None) -> "tuple[Run, ...]":
        """Fits a distribution to the codes of the training split, for :meth:`sample`; the run keeps it.

        Args:
          name: ``"normal"``, a Gaussian of full covariance; ``"gmm"``, a mixture of ten; ``"hypersphere"``, every
            direction at the codes' mean distance from the origin; ``"maf"``, a masked autoregressive flow;
            ``"two-stage"``, a second variational autoencoder.
          data: what the run was trained on; None for a sampler that is fitted already.

        Returns:
          A run for each member, whose ``sample`` gives its flat codes.

        Raises:
          InvalidInput: an unknown name, or one that is not fitted, without data; codes that the sampler cannot take.

        Example:
          >>> import ae_jax
          >>> data = ae_jax.data.digits()
          >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), data, epochs=1)
          >>> len(run.sampler("gmm", data)), run.sample(3, sampler="gmm").shape
          (1, (3, 8, 8))

        References:
          Ghosh et al., *From variational to deterministic autoencoders*, ICLR 2020 (normal and mixture);
          Papamakarios et al., *Masked autoregressive flow for density estimation*, NeurIPS 2017;
          Dai and Wipf, *Diagnosing and enhancing VAE models*, ICLR 2019 (two stages).
        """
        from ae_jax.training.samplers import fit_sampler, require_sampler  # which trains, and so imports this file

        if name not in self.samplers:
            require_sampler(name)
            if data is None:
                raise InvalidInput(f"{self.name} has no fitted sampler {name!r}: give the data that it was trained on.")
            fitted = []
            for member, seed in enumerate(self.seeds.tolist()):
                one = self[member]
                train = one.own_split(data).train
                fitted.append(fit_sampler(name, one.encode(train.x, self.condition_of(train.labels)), seed))
            self.samplers[name] = tuple(fitted)
        return self.samplers[name]

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

    def explore(self, data: Any, labels: Any = None) -> Any:
        """Shows the codes in a notebook: a map, examples, sliders of latents, traversals and interpolation.

        Args:
          data, labels: as of :func:`ae_jax.explore.explore`.

        Returns:
          A widget of Jupyter, VS Code and marimo; its ``explorer.save(path)`` writes the page as a file.

        Raises:
          InvalidInput: the extra ``explore`` is not installed, or as of :func:`ae_jax.explore.explore`.
        """
        return import_module("ae_jax.explore.widget").widget(self, data, labels)  # the widget imports runs

    @public
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
        write_run(folder, self.configuration(), self.history, self.params, self.state)
        for name in self.samplers:
            self.save_sampler(folder, name)
        return folder

    def save_sampler(self, folder: str | Path, name: str) -> None:
        """Writes a fitted sampler into the folder of the run."""
        with replacing(Path(folder) / SAMPLERS / name) as scratch:
            for member, fitted in enumerate(self.samplers[name]):
                fitted.save(scratch / str(member))

    def export(self, folder: str | Path, kind: Format = "onnx") -> tuple[Path, Path]:
        """Writes the encoder and the decoder of a run of one member, see :func:`ae_jax.export.export`."""
        return export(self, folder, kind)

    def push_to_hub(self, repo: str, **options: Any) -> str:
        """Uploads the run to the Hugging Face hub with a model card, see :func:`ae_jax.hub.push_to_hub`."""
        return import_module("ae_jax.hub").push_to_hub(self, repo, **options)

    def to_hub_folder(self, folder: str | Path, **options: Any) -> Path:
        """Writes what :meth:`push_to_hub` uploads, see :func:`ae_jax.hub.to_hub_folder`."""
        return import_module("ae_jax.hub").to_hub_folder(self, folder, **options)

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


@public
def load(folder: str | Path) -> Run:
    """The run that :meth:`Run.save` wrote; components of your own must be imported before.

    The digests in ``SHA256SUMS`` are checked before anything is parsed: they detect damage, not who wrote the run.
    No code is executed but the constructors of components.

    Raises:
      InvalidInput: no run there, one of another format, or a damaged one, with the file that is.
    """
    keep_programs()
    run = Run(**read_run(Path(folder)))
    for sampler in sorted((Path(folder) / SAMPLERS).glob("*")):
        from ae_jax.training import samplers  # noqa: F401, whose components it has

        run.samplers[sampler.name] = tuple(load(sampler / str(member)) for member in range(len(run)))
    return run


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
