"""Uses of trained members: codes, reconstructions, samples and latents, for any number of examples."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from ae_jax._checks import size
from ae_jax.data import DataSpec, Scaling, as_condition, as_examples, as_labels, require_shape
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder
from ae_jax.networks import code_shape
from ae_jax.public import public
from ae_jax.training import batches
from ae_jax.training.environment import require_supported_settings
from ae_jax.training.imputation import Imputation, Imputer
from ae_jax.training.latents import PosteriorMoments, Traversal, move_units
from ae_jax.training.population import stack, state_budget, take, unstack
from ae_jax.types import ModelState, Params, Shape

Self = TypeVar("Self", bound="Members")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Members:
    """Trained members and their uses; :class:`ae_jax.Run` describes the attributes."""

    autoencoder: Autoencoder
    seeds: np.ndarray
    data: DataSpec
    params: Params
    state: ModelState
    single: bool = False
    samplers: dict[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self: Self, member: int | Sequence[int]) -> Self:
        """One member as a single run, or several as a population."""
        rows = np.atleast_1d(member)
        for row in rows:
            if not -len(self) <= row < len(self):
                raise IndexError(f"the run has {len(self)} members: there is no member {row}.")
        return dataclasses.replace(self, **self._rows(rows), single=np.ndim(member) == 0)

    def _rows(self, rows: np.ndarray) -> dict[str, Any]:
        """The fields that differ between members, of some of them."""
        # On the host, where taking rows compiles nothing.
        params, state = jax.tree.map(lambda leaf: leaf[rows], jax.device_get((self.params, self.state)))
        autoencoder = stack([unstack(self.autoencoder, int(row)) for row in rows])
        samplers = {name: tuple(fitted[row] for row in rows) for name, fitted in self.samplers.items()}
        rest = {"seeds": self.seeds[rows], "samplers": samplers}
        return {"autoencoder": autoencoder, "params": params, "state": state} | rest

    @property
    def name(self) -> str:
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

    @public
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
        return self.apply(batches.encode, self.raw(x), condition=condition)

    @public
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
        return self.scaling.invert(self.apply(batches.decode, codes, condition=condition))

    @public
    def reconstruct(self, x: Any, condition: Any = None) -> np.ndarray:
        """Reconstructions of data, in the units of the data; Args and Raises as of :meth:`encode`.

        Returns:
          ``[n, *shape]``, with a leading member axis unless the run is single.
        """
        return self.scaling.invert(self.apply(batches.reconstruct, self.raw(x), condition=condition))

    def raw(self, x: Any) -> np.ndarray:
        """Examples before scaling, checked against the training data; NaN is allowed where values may be missing."""
        return self.data.raw(x, missing=self.autoencoder.objective.uses_observed)

    def impute(
        self, x: Any, samples: int = 1000, *, imputations: int = 5, condition: Any = None, seed: int = 0
    ) -> "Imputation":
        r"""Replaces missing values (NaN) by their expectation, and by draws from their distribution.

        .. math::
           \mathbb{E}[x_{\text{missing}} | x_{\text{observed}}] \approx \sum_s \tilde w_s \, \mathbb{E}[x | z_s], \quad
           \tilde w_s \propto \frac{p(x_{\text{observed}} | z_s) \, p(z_s)}{q(z_s | x_{\text{observed}})}, \quad
           z_s \sim q(z | x_{\text{observed}})

        A draw decodes one latent, chosen by these weights (sampling importance resampling), and adds the noise of the
        likelihood.

        Args:
          x: examples in the units trained on, ``[n, *shape]``; observed values stay as they are.
          samples: latents of each example; the authors take 10,000.
          imputations: number of draws; analyses of each show how uncertain the missing values leave their result.
          condition: as of :meth:`encode`.
          seed: of latents and draws.

        Returns:
          The expectation ``mean``, ``[n, *shape]``, and ``draws``, ``[imputations, n, *shape]``, in the units of the
          data, each with a leading member axis unless the run is single.

        Raises:
          InvalidInput: an autoencoder that is not for missing values, numbers that are not whole and above zero, or as
            of :meth:`encode`.

        References:
          Mattei and Frellsen, *MIWAE*, ICML 2019, section 3; Rubin, *Multiple imputation for nonresponse in surveys*,
          1987 (five draws).
        """
        if not self.autoencoder.objective.uses_observed:
            raise InvalidInput(
                f"{self.name} cannot impute: expected an autoencoder for missing values, such as ae_jax.missing()."
            )
        how = Imputer(size("impute", "samples", samples), size("impute", "imputations", imputations))
        stored = self.raw(x)
        keys = jax.random.split(jax.random.key(seed), len(stored))
        mean, draws = self.apply(how, stored, keys, condition=condition)
        axis = 0 if self.single else 1
        filled = (self.scaling.invert(values) for values in (mean, np.moveaxis(draws, axis + 1, axis)))
        return Imputation(*(np.where(np.isnan(stored), values, stored) for values in filled))

    @public
    def sample(self, n: int, *, seed: int = 0, condition: Any = None, sampler: str = "prior") -> np.ndarray:
        """New data: codes from the model's prior or a fitted sampler, decoded to means, in the units of the data.

        Args:
          n: how many; members of one seed draw by the same key.
          seed: of the codes, beside that of the member.
          condition: as of :meth:`encode`.
          sampler: ``"prior"``, or the name of a sampler that :meth:`ae_jax.Run.sampler` fitted.

        Returns:
          ``[n, *shape]``, with a leading member axis unless the run is single.

        Raises:
          InvalidInput: n is not a whole number above zero or samples of that number do not fit into memory, the
            autoencoder has no prior, the sampler is not fitted, or a condition as of :meth:`encode`.
        """
        count, code = size("sample", "n", n), code_shape(self.autoencoder.networks)
        values = math.prod(self.shape) + math.prod(code)
        if (needed := 8 * len(self) * count * values) > (budget := state_budget() or math.inf):
            raise InvalidInput(
                f"sample was given n={count:,}: expected at most {int(budget * count // needed):,}, which fit in "
                "memory; draw them in parts, each with a seed of its own."
            )
        if sampler != "prior":
            if sampler not in self.samplers:
                raise InvalidInput(f"{self.name} has no fitted sampler {sampler!r}: fit it by run.sampler(name, data).")
            drawn = np.stack([fitted.sample(count, seed=seed) for fitted in self.samplers[sampler]])
            return self._decode_own(drawn.reshape(len(self), count, *code), condition)
        if "prior" not in self.autoencoder.objective.parts:
            raise InvalidInput(
                f"{self.name} has no prior to sample from: expected a variational autoencoder, discrete codes, or a "
                "sampler that is fitted to the codes, such as gmm."
            )
        members = self.params, self.state, self.autoencoder, np.asarray(self.seeds, np.uint32)
        latents = batches.sample(members, jax.random.key(seed), shape=self.shape, n=count)
        return self._decode_own(np.asarray(latents), condition)

    def posterior(self, x: Any, condition: Any = None) -> PosteriorMoments:
        r"""Mean and standard deviation of the latents of data.

        .. math:: q(z | x) = \mathcal{N}(\mu(x), \mathrm{diag}(\sigma(x)^2))

        Args:
          x, condition: as of :meth:`encode`.

        Raises:
          InvalidInput: as of :meth:`encode`, or an encoder that is not stochastic.
        """
        mean, scale = self.apply(batches.posterior, self.data.raw(x), condition=condition)
        if scale is None:
            raise InvalidInput(
                f"{self.name} has no Gaussian posterior: expected a stochastic encoder, such as a variational "
                "autoencoder's; encode gives its codes."
            )
        return PosteriorMoments(mean, scale)

    def interpolate(self, a: Any, b: Any, steps: int = 9, *, condition: Any = None) -> np.ndarray:
        r"""Decodes the straight lines between the codes of examples.

        .. math:: \hat x_t = g((1 - t) \, h(a) + t \, h(b)), \qquad t = 0, \dots, 1

        Args:
          a, b: examples in the units trained on, ``[n, *shape]`` each.
          steps: values of t, from 0 to 1.
          condition: as of :meth:`encode`, of both examples.

        Returns:
          ``[n, steps, *shape]`` in the units of the data, with a leading member axis unless the run is single.

        Raises:
          InvalidInput: as of :meth:`encode`, or another number of examples in ``a`` than in ``b``.
        """
        first, last = (self._codes(x, condition) for x in (a, b))
        if first.shape != last.shape:
            raise InvalidInput(
                f"interpolate was given {first.shape[1]} and {last.shape[1]} examples: expected as many."
            )
        steps = size("interpolate", "steps", steps)
        t = np.linspace(0.0, 1.0, steps, dtype=np.float32).reshape(-1, *[1] * (first.ndim - 2))
        codes = (1 - t) * first[:, :, None] + t * last[:, :, None]
        repeated = condition if np.ndim(condition) == 0 else np.repeat(np.asarray(condition), steps)
        return self._decode_own(codes, repeated)

    def traverse(
        self, x: Any, units: int | Sequence[int] = 10, span: float = 2.0, *, steps: int = 9, condition: Any = None
    ) -> Traversal:
        """Decodes codes in which one unit moves while the others stay at the mean code of examples.

        Args:
          x: examples in the units trained on, ``[n, *shape]``.
          units: positions in the flattened code, or how many units, those that vary most over the examples first.
          span: furthest distance from the mean, in standard deviations of the unit over the examples; in units of the
            code where ``x`` is one example.
          steps: number of values of each unit.
          condition: as of :meth:`encode`; the label of the first example is decoded with.

        Raises:
          InvalidInput: as of :meth:`encode`, a unit that the code does not have, or a span that is not above zero.
        """
        codes = self._codes(x, condition)
        moved, chosen, values = move_units(codes.reshape(*codes.shape[:2], -1), units, span, steps)
        first = None if condition is None else np.ravel(condition)[0]
        decoded = self._decode_own(moved.reshape(*moved.shape[:3], *codes.shape[2:]), first)
        return Traversal(decoded, *(each[0] if self.single else each for each in (chosen, values)))

    def _codes(self, x: Any, condition: Any) -> np.ndarray:
        codes = self.encode(x, condition)
        return codes[None] if self.single else codes

    def _decode_own(self, latents: np.ndarray, condition: Any) -> np.ndarray:
        """Decodes each member's own latents, ``[members, ..., *code]``, to the units of the data."""
        code = code_shape(self.autoencoder.networks)
        flat = latents.reshape(len(self), -1, *code)
        decoded = np.stack(
            [self[place].apply(batches.decode, own, condition=condition) for place, own in enumerate(flat)]
        )
        decoded = decoded.reshape(*latents.shape[: latents.ndim - len(code)], *self.shape)
        return self.scaling.invert(decoded[0] if self.single else decoded)

    @property
    def takes_condition(self) -> bool:
        """Whether the networks take a condition."""
        return getattr(self.autoencoder.networks, "condition", None) is not None

    def condition_of(self, labels: Any) -> Any:
        """Labels as the condition of conditional networks, and None for any others."""
        return labels if self.takes_condition else None

    def conditions(self, condition: Any, count: int) -> np.ndarray | None:
        """The class numbers of labels, ``[count]``; None where the autoencoder takes no condition.

        Raises:
          InvalidInput: a condition that is missing, not taken, of another length, or not among the classes.
        """
        if not self.takes_condition:
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
        require_supported_settings()
        conditions = self.conditions(condition, len(arrays[0]))
        own = () if per_member is None else (jax.device_put(per_member),)
        members = self.params, self.state, self.autoencoder, *own
        found = batches.apply(function, members, self.scaling, self.shape, arrays, conditions)
        return take(found, 0) if self.single else found
