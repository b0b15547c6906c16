"""How abnormal does a trained autoencoder find an example, and which features make it so?"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import positive_whole
from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.scores import SCORES, Score, Statistics, SumOverFeatures, definition_of
from ae_jax.models import Autoencoder
from ae_jax.training import Run


@dataclasses.dataclass(frozen=True, eq=False)
class AnomalyScore:
    """A score of a trained run, ready for new examples; :func:`anomaly_score` makes it.

    Attributes:
      run: the trained population.
      name: of the score, in :data:`SCORES`.
      options: what was chosen for it.
      statistics: what it learned from reference examples, NumPy arrays of double precision, ``[members, ...]``;
        ``"baseline"`` is their mean in model units, from which explanations start.
      reference_size: how many reference examples there were; 0 without any.
    """

    run: Run
    name: str
    options: dict[str, Any]
    statistics: Statistics = dataclasses.field(repr=False)
    reference_size: int = 0

    def score(self, x: Any, *, of_reference: bool = False) -> np.ndarray:
        """How abnormal each example is: the higher, the more.

        Args:
          x: examples in the units that the run was trained on, ``[n, *shape]``.
          of_reference: they are the reference's own, and none is compared with itself; a threshold is chosen by such
            scores.

        Returns:
          The scores in double precision, computed in that of the networks: ``[members, n]``, or ``[n]`` of a single
          run, in the units that :data:`SCORES` tells.

        Raises:
          InvalidInput: another shape or range than trained on, a column that is missing, no numbers, NaN or infinity;
            another number of examples than the reference has, where they are said to be its own; or a reference of no
            more examples than neighbours, of which one is left out.
        """
        definition = self._definition()
        if not of_reference:
            return self._apply(definition, x)
        if self.reference_size and len(x) != self.reference_size:
            raise InvalidInput(
                f"score was given of_reference=True with {len(x)} examples: expected the {self.reference_size} of the "
                "reference, all of them; leave it out for others."
            )
        return self._apply(definition.without_itself(self.statistics), x)

    def explain(self, x: Any, *, steps: int = 32) -> np.ndarray:
        r"""What each feature contributes to each example's score.

        Scores that are sums over features have their summands. Others have integrated gradients on the straight way
        from the mean of the reference examples :math:`\bar x` to x, by the midpoint rule,

        .. math:: (x_i - \bar x_i) \frac{1}{S} \sum_{s=1}^{S} \frac{\partial f}{\partial x_i}
           \left(\bar x + \tfrac{s - 1/2}{S} (x - \bar x)\right)

        which sum to :math:`f(x) - f(\bar x)`, but for what the steps are too coarse for.

        Args:
          x: examples in the units that the run was trained on, ``[n, *shape]``.
          steps: S, of integrated gradients; each costs a gradient of the score.

        Returns:
          The contributions in double precision: ``[members, n, *shape]``, or ``[n, *shape]`` of a single run, in units
          of the score; below zero where a feature makes the example less abnormal.

        Raises:
          InvalidInput: as of :meth:`score`; steps is no whole number above zero; or an explanation has nowhere to
            start, as no reference examples were given.

        References:
          Sundararajan et al., *Axiomatic attribution for deep networks*, ICML 2017, section 5.
        """
        steps = positive_whole("explain", "steps", steps)
        definition = self._definition()
        if isinstance(definition, SumOverFeatures):
            return self._apply(_Contributions(definition), x)
        if "baseline" not in self.statistics:
            raise InvalidInput(
                f"{self.name} was given no reference examples, and explanations start from their mean: give normal "
                "examples as the reference, such as the training split."
            )
        return self._apply(_IntegratedGradients(definition, steps), x)

    def _definition(self) -> "Score":
        return SCORES[self.name](**self.options)

    def _apply(self, function: Any, x: Any) -> np.ndarray:
        stored = self.run.data.stored(x)
        draws = self._definition().draws(len(stored))
        return np.asarray(self.run.apply(function, stored, *draws, per_member=self.statistics), np.float64)


def anomaly_score(run: Run, name: str, reference: Any = None, **options: Any) -> AnomalyScore:
    """A named score of abnormality: how far an example is from what the run, and the reference, take for normal.

    Args:
      run: a trained population.
      name: of the score, in :data:`SCORES`.
      reference: normal examples in the units trained on, ``[n, *shape]``, usually the training split's.
      options: of the score, the fields of its class in :data:`SCORES`.

    Returns:
      The score, to call ``score`` and ``explain`` on.

    Raises:
      InvalidInput: an unknown score or option, or an option out of range; no or too few reference examples for a
        score that needs them, or some that do not fit the run; ``negative_elbo`` of a run that is not variational.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), data, epochs=1)
      >>> score = anomaly_score(run, "mahalanobis", data.train.x)
      >>> score.score(data.test.x).shape, score.explain(data.test.x[:2]).shape
      ((359,), (2, 8, 8))
    """
    definition = definition_of(name, **options)
    definition.require(run.autoencoder)
    if reference is None and definition.needs_reference:
        raise InvalidInput(
            f"{name} compares with normal examples and was given none: give a reference, such as the training split."
        )
    statistics, size = {}, 0
    if reference is not None:
        stored = run.data.stored(reference, "the reference")
        size = len(stored)
        if size < definition.fewest:
            raise InvalidInput(
                f"{name} was given {size} reference examples: expected at least {definition.fewest}; give more "
                "normal examples."
            )
        statistics = _baseline(run, stored)
        statistics |= definition.statistics(dataclasses.replace(run, single=False), stored, statistics)
    return AnomalyScore(run, name, dataclasses.asdict(definition), statistics, size)


@dataclasses.dataclass(frozen=True)
class _Contributions:
    """What gives :meth:`ae_jax.Run.apply` the summands of a score."""

    score: SumOverFeatures

    def __call__(
        self, autoencoder: Autoencoder, networks: Any, scaling: Scaling, statistics: Any, stored: Any, *draws: Any
    ) -> Any:
        return self.score.contributions(autoencoder, networks, statistics, scaling(stored))


@dataclasses.dataclass(frozen=True)
class _IntegratedGradients:
    """What gives :meth:`ae_jax.Run.apply` the integrated gradients of a score, by the midpoint rule."""

    score: Score
    steps: int

    def __call__(
        self, autoencoder: Autoencoder, networks: Any, scaling: Scaling, statistics: Any, stored: Any, *draws: Any
    ) -> Any:
        x = scaling(stored)
        way = x - statistics["baseline"][None]

        def total(x: Any) -> Any:
            # Gradients are in model units, which the identity leaves as they are.
            return jnp.sum(self.score(autoencoder, networks, Scaling(), statistics, x, *draws))

        def add(step: Any, gradients: Any) -> Any:
            return gradients + jax.grad(total)(x - (1.0 - (step + 0.5) / self.steps) * way)

        return way * jax.lax.fori_loop(0, self.steps, add, jnp.zeros_like(x)) / self.steps


def _baseline(run: Run, stored: np.ndarray) -> Statistics:
    """The mean of reference examples in model units, the same for every member."""
    mean = stored.mean(axis=0, dtype=np.float64)
    scaled = np.asarray(run.scaling(mean[None]), np.float64)
    return {"baseline": np.repeat(scaled, len(run), axis=0)}
