"""Anomaly scores: what a score is, and those of reconstructions and likelihoods."""

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import non_negative_whole, positive_whole, require_positive
from ae_jax.data import Scaling
from ae_jax.evaluation.likelihood import bound_of_examples, require_prior
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training import Run

Statistics = dict[str, np.ndarray]
"""The arrays that a score learned from reference examples, each ``[members, ...]``."""

_BLOCK = 1024
"""Number of examples whose residuals are in memory at a time."""


class MemberModel(NamedTuple):
    """An autoencoder of one member with its model; data and reconstructions are in model units."""

    autoencoder: Autoencoder
    model: Any

    def encode(self, x: Any) -> Any:
        """Codes of a batch as rows; of a stochastic encoder, the means of the posterior."""
        return rows_of(deterministic(self.model.encode(x)))

    def code_and_residual(self, x: Any) -> tuple[Any, Any]:
        """Codes of a batch as rows, and the differences of the examples from their reconstructions."""
        code = deterministic(self.model.encode(x))
        return rows_of(code), x - self.autoencoder.objective.likelihood.mean(self.model.decode(code))


@dataclasses.dataclass(frozen=True)
class Score(ABC):
    """The definition of an anomaly score: its options, what it learns from reference examples, and its values.

    It is a static argument of compiled programs: options that only its statistics depend on take no part in equality.
    """

    needs_reference: ClassVar[bool] = True

    @property
    def fewest(self) -> int:
        """The least number of reference examples."""
        return 2 if self.needs_reference else 1

    def require(self, autoencoder: Autoencoder) -> None:  # noqa: B027
        """Raises InvalidInput where an autoencoder has no such score."""

    def draws(self, count: int) -> tuple[Any, ...]:
        """Randomness of each example, ``[n]`` each."""
        return ()

    def without_itself(self) -> "Score":
        """The score of the reference's own examples."""
        return self

    def statistics(self, run: Run, stored: np.ndarray, condition: Any) -> Statistics:
        """The statistics of reference examples, each with a member axis; the run is not single."""
        return {}

    @abstractmethod
    def values(self, member: MemberModel, statistics: Any, x: Any, *draws: Any) -> Any:
        """The score of each example of a batch in model units."""

    def __call__(
        self, autoencoder: Autoencoder, model: Any, scaling: Scaling, statistics: Any, stored: Any, *draws: Any
    ) -> Any:
        """The values of a batch, for :meth:`ae_jax.Run.apply`."""
        return self.values(MemberModel(autoencoder, model), statistics, scaling(stored), *draws)


class SumOverFeatures(Score):
    """A score that is the sum of the contributions of its features."""

    @abstractmethod
    def contributions(self, member: MemberModel, statistics: Any, x: Any) -> Any:
        """The contribution of each feature, ``[batch, *shape]``; x is in model units."""

    def values(self, member: MemberModel, statistics: Any, x: Any, *draws: Any) -> Any:
        return jnp.sum(rows_of(self.contributions(member, statistics, x)), axis=1)


@dataclasses.dataclass(frozen=True)
class ReconstructionError(SumOverFeatures):
    r"""Squared error of the reconstruction, in squared model units; needs no reference.

    .. math:: \sum_i (x_i - \hat x_i)^2, \quad \hat x = g(h(x))

    References:
      Sakurada and Yairi, *Anomaly detection using autoencoders with nonlinear dimensionality reduction*, MLSDA 2014.
    """

    needs_reference: ClassVar[bool] = False

    def contributions(self, member: MemberModel, statistics: Any, x: Any) -> Any:
        return jnp.square(member.code_and_residual(x)[1])


@dataclasses.dataclass(frozen=True)
class ReconstructionNLL(Score):
    r"""Negative log-likelihood of the example given its code; needs a reference for explanations only.

    .. math:: -\log p(x \mid g(h(x)))

    In nats where the likelihood is a density; a :class:`ae_jax.objectives.LearnedGaussianLikelihood` weighs each error
    by the scale that it expects of this feature for this code.

    References:
      An and Cho, *Variational autoencoder based anomaly detection using reconstruction probability*, 2015.
    """

    needs_reference: ClassVar[bool] = False

    def values(self, member: MemberModel, statistics: Any, x: Any, *draws: Any) -> Any:
        code = deterministic(member.model.encode(x))
        return member.autoencoder.objective.likelihood(member.model.decode(code), x)


@dataclasses.dataclass(frozen=True)
class WhitenedError(SumOverFeatures):
    r"""Sum over features of the squared error, each divided by its mean on the reference; about d for d features.

    .. math:: \sum_i \frac{(x_i - \hat x_i)^2}{v_i + \epsilon \bar v}, \quad
       v_i = \frac{1}{n} \sum_b (x_{bi} - \hat x_{bi})^2

    Attributes:
      floor: epsilon, the least variance of a residual, relative to the mean of all features'; pixels that are always
        black are reconstructed almost exactly, and would outweigh all others.
    """

    floor: float = dataclasses.field(default=1e-3, compare=False)

    def __post_init__(self) -> None:
        require_positive("whitened_error", floor=self.floor)

    def statistics(self, run: Run, stored: np.ndarray, condition: Any) -> Statistics:
        variances = residual_variances(run, stored, condition)
        mean = variances.mean(axis=tuple(range(1, variances.ndim)), keepdims=True)
        return {"variances": variances + one_where_zero(self.floor * mean)}

    def contributions(self, member: MemberModel, statistics: Any, x: Any) -> Any:
        residual = member.code_and_residual(x)[1]
        return jnp.square(residual) / statistics["variances"][None]


@dataclasses.dataclass(frozen=True)
class NegativeELBO(Score):
    r"""Negative evidence lower bound of a variational autoencoder, in nats; needs a reference for explanations only.

    .. math:: \mathbb{E}_{q(z|x)} [-\log p(x|z)] + \mathrm{KL}(q(z|x) \| p(z))

    As by :func:`ae_jax.evaluation.negative_elbo`, whose latents depend on the seed and the example's position alone.

    Attributes:
      samples: how many latents the expectation is a mean over.
      seed: of the latents.

    References:
      An and Cho, *Variational autoencoder based anomaly detection using reconstruction probability*, 2015.
    """

    samples: int = 16
    seed: int = dataclasses.field(default=0, compare=False)
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive_whole("negative_elbo", "samples", self.samples)
        non_negative_whole("negative_elbo", "seed", self.seed)

    def require(self, autoencoder: Autoencoder) -> None:
        require_prior(autoencoder)

    def draws(self, count: int) -> tuple[Any, ...]:
        return (jax.random.split(jax.random.key(self.seed), count),)

    def values(self, member: MemberModel, statistics: Any, x: Any, *draws: Any) -> Any:
        (keys,) = draws
        return bound_of_examples(member.autoencoder, member.model, x, keys, samples=self.samples)["negative_elbo"]


def residual_variances(run: Run, stored: np.ndarray, condition: Any) -> np.ndarray:
    """Mean squared residual of each feature, ``[members, *shape]``, in double precision and block by block."""
    total: Any = 0.0
    for start in range(0, len(stored), _BLOCK):
        rows = slice(start, start + _BLOCK)
        given = condition[rows] if np.ndim(condition) else condition
        squares = run.apply(_squared_residual, stored[rows], condition=given)
        total = total + squares.sum(axis=1, dtype=np.float64)
    return total / len(stored)


def _squared_residual(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any) -> Any:
    return jnp.square(MemberModel(autoencoder, model).code_and_residual(scaling(stored))[1])


def rows_of(values: Any) -> Any:
    """Each example as a row of numbers."""
    return values.reshape(len(values), -1)


def one_where_zero(scale: np.ndarray) -> np.ndarray:
    """Scales with one in place of zero, to divide by."""
    return np.where(scale <= 0, 1.0, scale)
