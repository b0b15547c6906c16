"""A trained population, its history and its uses."""

import dataclasses
import math
import signal
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import size
from ae_jax.components import to_config
from ae_jax.data import Dataset, DataSpec, Scaling, as_condition, as_examples, as_labels, require_shape
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder
from ae_jax.networks import code_shape, deterministic
from ae_jax.training.compilation import COST
from ae_jax.training.population import stack, state_budget, take, unstack
from ae_jax.training.run_folder import RUN_FORMAT, History, read_run, require_replaceable, write_run
from ae_jax.types import ModelState, Params, Shape

_CHUNK = 1024


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
class Run:
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

    autoencoder: Autoencoder
    seeds: np.ndarray
    data: DataSpec
    params: Params
    state: ModelState
    history: History
    best_epoch: np.ndarray
    finite: np.ndarray
    settings: dict[str, Any]
    record: dict[str, Any]
    single: bool = False

    def __repr__(self) -> str:
        epochs = self.best_epoch.tolist()
        return f"Run({self.name}, seeds={self.seeds.tolist()}, best_epoch={epochs}, parameters={self.parameters})"

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, member: int | Sequence[int]) -> "Run":
        """One member as a single run, or several as a population."""
        rows = np.atleast_1d(member)
        for row in rows:
            if not -len(self) <= row < len(self):
                raise IndexError(f"the run has {len(self)} members: there is no member {row}.")
        # On the host, where taking rows compiles nothing.
        params, state = jax.tree.map(lambda leaf: leaf[rows], jax.device_get((self.params, self.state)))
        return dataclasses.replace(
            self,
            autoencoder=stack([unstack(self.autoencoder, int(row)) for row in rows]),
            seeds=self.seeds[rows],
            params=params,
            state=state,
            history=jax.tree.map(lambda values: values[rows], self.history),
            best_epoch=self.best_epoch[rows],
            finite=self.finite[rows],
            single=np.ndim(member) == 0,
        )

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

    @property
    def name(self) -> str:
        """The autoencoder's name."""
        return self.autoencoder.name

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return self.data.shape

    @property
    def scaling(self) -> Scaling:
        """From stored values to model units."""
        return self.data.scaling

    @property
    def parameters(self) -> int:
        """Number of parameters of one member."""
        return sum(math.prod(leaf.shape[1:]) for leaf in jax.tree.leaves(self.params))

    @property
    def members(self) -> list[Autoencoder]:
        """Each member's autoencoder, its numbers plain floats."""
        return [unstack(self.autoencoder, member) for member in range(len(self))]

    def encode(self, x: Any, condition: Any = None) -> np.ndarray:
        """Codes of data in the units trained on; of a stochastic encoder, the posterior mean.

        Args:
          x: examples, ``[n, *shape]``, or a frame with the columns that were trained on.
          condition: the label of each example, ``[n]``, or one for all; for conditional autoencoders only.

        Returns:
          Codes, ``[n, *code]``, with a leading member axis unless the run is single.

        Raises:
          InvalidInput: another shape or range than trained on, a column that is missing, no numbers, NaN or infinity; a
            condition that is missing, not taken, or not among the classes trained on.
        """
        return self.apply(_encode, self.data.raw(x), condition=condition)

    def decode(self, z: Any, condition: Any = None) -> np.ndarray:
        """Reconstructions of codes, in the units of the data.

        Args:
          z: codes, ``[n, *code]``, the same for every member.
          condition: as of :meth:`encode`.

        Returns:
          ``[n, *shape]``, with a leading member axis unless the run is single.

        Raises:
          InvalidInput: codes of another shape, or a condition as of :meth:`encode`.
        """
        codes = as_examples(z, "codes")
        require_shape(codes, code_shape(self.autoencoder.networks), "codes")
        return self.scaling.invert(self.apply(_decode, codes, condition=condition))

    def reconstruct(self, x: Any, condition: Any = None) -> np.ndarray:
        """Reconstructions of data, in the units of the data.

        Args:
          x: examples, ``[n, *shape]``.
          condition: as of :meth:`encode`.

        Returns:
          ``[n, *shape]``, with a leading member axis unless the run is single.

        Raises:
          InvalidInput: as of :meth:`encode`.
        """
        return self.scaling.invert(self.apply(_reconstruct, self.data.raw(x), condition=condition))

    def sample(self, n: int, *, seed: int = 0, condition: Any = None) -> np.ndarray:
        """New data: latents from the model's prior, decoded to means, in the units of the data.

        Args:
          n: how many; members of one seed draw by the same key.
          seed: of the latents, beside that of the member.
          condition: as of :meth:`encode`.

        Returns:
          ``[n, *shape]``, with a leading member axis unless the run is single.

        Raises:
          InvalidInput: n is not a whole number above zero or samples of that number do not fit into memory, the
            autoencoder has no prior, or a condition as of :meth:`encode`.
        """
        count = size("sample", "n", n)
        values = math.prod(self.shape) + math.prod(code_shape(self.autoencoder.networks))
        if (needed := 8 * len(self) * count * values) > (budget := state_budget() or math.inf):
            raise InvalidInput(
                f"sample was given n={count:,}: expected at most {int(budget * count // needed):,}, which fit in "
                "memory; draw them in parts, each with a seed of its own."
            )
        if "prior" not in self.autoencoder.objective.parts:
            raise InvalidInput(f"{self.name} has no prior to sample from: expected a variational autoencoder.")
        members = self.params, self.state, self.autoencoder, np.asarray(self.seeds, np.uint32)
        latents = _sample(members, jax.random.key(seed), shape=self.shape, n=count)
        decoded = [
            member.apply(_decode, np.asarray(own), condition=condition)
            for member, own in zip(map(self.__getitem__, range(len(self))), latents, strict=True)
        ]
        return self.scaling.invert(decoded[0] if self.single else np.stack(decoded))

    def conditions(self, condition: Any, count: int) -> np.ndarray | None:
        """The class numbers of labels, ``[count]``; None where the autoencoder takes no condition.

        Raises:
          InvalidInput: a condition that is missing, not taken, of another length, or not among the classes.
        """
        if getattr(self.autoencoder.networks, "condition", None) is None:
            if condition is not None:
                raise InvalidInput(f"{self.name} was given a condition: expected none, as it is not conditional.")
            return None
        if condition is None:
            raise InvalidInput(f"{self.name} is conditional: expected condition=, the label of each example.")
        labels = np.asarray(condition)
        labels = np.broadcast_to(labels, (count,)) if labels.ndim == 0 else as_labels(labels, count)
        return as_condition(labels, self.data.classes, "the condition")

    def apply(self, function: Callable[..., Any], *arrays: Any, condition: Any = None, per_member: Any = None) -> Any:
        """Applies a function of a model and a batch to any number of examples, for every member.

        Batches are padded to few sizes and results trimmed, so that each example counts once and few programs are
        compiled; the result for an example must not depend on the others.

        Args:
          function: ``(autoencoder, model, scaling, *batch) -> tree of [batch, ...]``; one defined at module level is
            compiled once for every run of the same structure. The model is in evaluation mode.
          arrays: ``[n, ...]`` each.
          condition: as of :meth:`encode`; ``model.encode`` and ``model.decode`` use it.
          per_member: a tree of ``[members, ...]`` arrays; the function is given the member's own ``[...]`` after
            scaling, before the batch.

        Returns:
          A tree of ``[n, ...]`` arrays, with a leading member axis unless the run is single.
        """
        count = len(arrays[0])
        conditions = self.conditions(condition, count)
        own = () if per_member is None else (jax.device_put(per_member),)
        members = self.params, self.state, self.autoencoder, *own
        chunks = []
        for start in range(0, count, _CHUNK):
            size = min(count - start, _CHUNK)
            padded = _CHUNK if count > _CHUNK else max(16, 1 << (size - 1).bit_length())
            rows = start + np.minimum(np.arange(padded), size - 1)
            batch = [_rows_of(array, rows) for array in (arrays if conditions is None else (*arrays, conditions))]
            given = None if conditions is None else batch.pop()
            result = _apply(members, self.scaling, given, *batch, function=function, shape=self.shape)
            chunks.append(jax.tree.map(lambda leaf, size=size: np.asarray(leaf)[:, :size], result))
        whole = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *chunks)
        return take(whole, 0) if self.single else whole

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


def _rows_of(array: Any, rows: np.ndarray) -> Any:
    """Rows of an array or of keys, taken on the host: each operation on a device would be a program of its own."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        raw = np.asarray(jax.random.key_data(array))[rows]
        return jax.random.wrap_key_data(jax.device_put(raw), impl=jax.random.key_impl(array))
    return np.asarray(array)[rows]


@partial(jax.jit, static_argnames=("function", "shape"))
def _apply(
    members: tuple[Any, ...],
    scaling: Scaling,
    condition: Any,
    *batch: Any,
    function: Callable[..., Any],
    shape: Shape,
) -> Any:
    def one(params: Params, state: ModelState, autoencoder: Autoencoder, *own: Any) -> Any:
        model = autoencoder.bind(shape, params, state)
        model.condition = condition
        return function(autoencoder, model, scaling, *own, *batch)

    return jax.vmap(one)(*members)


@partial(jax.jit, static_argnames=("shape", "n"))
def _sample(members: tuple[Params, ModelState, Autoencoder, Any], key: Any, shape: Shape, n: int) -> Any:
    def one(params: Params, state: ModelState, autoencoder: Autoencoder, seed: Any) -> Any:
        return autoencoder.bind(shape, params, state).prior.sample(jax.random.fold_in(key, seed), n)

    return jax.vmap(one)(*members)


def _encode(autoencoder: Autoencoder, model: Any, scaling: Scaling, raw: Any) -> Any:
    return deterministic(model.encode(scaling(raw)))


def _decode(autoencoder: Autoencoder, model: Any, scaling: Scaling, codes: Any) -> Any:
    return autoencoder.objective.likelihood.mean(model.decode(codes))


def _reconstruct(autoencoder: Autoencoder, model: Any, scaling: Scaling, raw: Any) -> Any:
    return _decode(autoencoder, model, scaling, _encode(autoencoder, model, scaling, raw))
