"""Anomaly scores of a trained autoencoder, and the contribution of each feature to a score."""

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import non_negative_whole, positive_whole, require_positive
from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput, unknown
from ae_jax.evaluation.likelihood import bound_of_examples, require_prior
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training import Run

Statistics = dict[str, np.ndarray]
"""The arrays that a score learned from reference examples, each ``[members, ...]``."""

_TOGETHER = 16
"""Number of examples that are compared with all reference codes, or have their Jacobian, at a time."""
_RIDGE = 1e-8
"""Ridge of a covariance of codes, relative to its mean variance; far above rounding in 32 bits."""
_LEAST = 1e-12
"""The least argument of a logarithm."""
_BLOCK = 1024
"""Number of examples whose residuals are in memory at a time."""


class MemberModel(NamedTuple):
    """An autoencoder of one member with its model; data and reconstructions are in model units."""

    autoencoder: Autoencoder
    model: Any

    def encode(self, x: Any) -> Any:
        """Codes of a batch as rows; of a stochastic encoder, the means of the posterior."""
        return _rows(deterministic(self.model.encode(x)))

    def code_and_residual(self, x: Any) -> tuple[Any, Any]:
        """Codes of a batch as rows, and the differences of the examples from their reconstructions."""
        code = deterministic(self.model.encode(x))
        return _rows(code), x - self.autoencoder.objective.likelihood.mean(self.model.decode(code))


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
        return jnp.sum(_rows(self.contributions(member, statistics, x)), axis=1)


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
        variances = _residual_variances(run, stored, condition)
        mean = variances.mean(axis=tuple(range(1, variances.ndim)), keepdims=True)
        return {"variances": variances + _one_where_zero(self.floor * mean)}

    def contributions(self, member: MemberModel, statistics: Any, x: Any) -> Any:
        residual = member.code_and_residual(x)[1]
        return jnp.square(residual) / statistics["variances"][None]


@dataclasses.dataclass(frozen=True)
class Mahalanobis(Score):
    r"""Squared Mahalanobis distance of the code from those of the reference; about the code's size for normal examples.

    .. math:: (z - \mu)^\top \Sigma^{-1} (z - \mu), \quad z = h(x)

    Attributes:
      ridge: added to the diagonal of the covariance, relative to its mean, so that constant and duplicated units are
        allowed.

    References:
      Denouden et al., *Improving reconstruction autoencoder out-of-distribution detection with Mahalanobis distance*,
      2018.
    """

    ridge: float = dataclasses.field(default=_RIDGE, compare=False)

    def __post_init__(self) -> None:
        require_positive("mahalanobis", ridge=self.ridge)

    def statistics(self, run: Run, stored: np.ndarray, condition: Any) -> Statistics:
        mean, whitening, _ = _gaussian(run.apply(_code, stored, condition=condition), self.ridge)
        return {"mean": mean, "whitening": whitening}

    def values(self, member: MemberModel, statistics: Any, x: Any, *draws: Any) -> Any:
        return _squared_distance(member.encode(x), statistics)


@dataclasses.dataclass(frozen=True)
class NearestCodes(Score):
    r"""Mean Euclidean distance of the code to the nearest codes of the reference, in units of the code.

    .. math:: \frac{1}{k} \sum_{j \in N_k(z)} \|z - z_j\|

    A reference example is its own neighbour, at distance zero, unless ``score`` is given ``of_reference=True``.

    Attributes:
      neighbors: k.
      skip: how many of the nearest are left out before.

    References:
      Angiulli and Pizzuti, *Fast outlier detection in high dimensional spaces*, PKDD 2002 (sum over neighbours);
      Sun et al., *Out-of-distribution detection with deep nearest neighbors*, ICML 2022 (k-th distance).
    """

    title: ClassVar[str] = "knn_code"
    neighbors: int = 5
    skip: int = 0

    def __post_init__(self) -> None:
        positive_whole(self.title, "neighbors", self.neighbors)
        non_negative_whole(self.title, "skip", self.skip)

    @property
    def fewest(self) -> int:
        return self.neighbors + self.skip

    def without_itself(self) -> Score:
        return dataclasses.replace(self, skip=self.skip + 1)

    def statistics(self, run: Run, stored: np.ndarray, condition: Any) -> Statistics:
        codes = run.apply(_code, stored, condition=condition).astype(np.float64)
        mean = codes.mean(axis=1)
        return {"mean": mean, "centred": codes - mean[:, None]}

    def values(self, member: MemberModel, statistics: Any, x: Any, *draws: Any) -> Any:
        reference = statistics["centred"]
        squares = jnp.sum(jnp.square(reference), axis=1)

        def of_one(z: Any) -> Any:
            # The expanded square finds the nearest codes cheaply; the difference gives exact distances.
            order = squares - 2.0 * jnp.matmul(reference, jax.lax.stop_gradient(z), precision="highest")
            nearest = jax.lax.top_k(-order, self.fewest)[1][self.skip :]
            return jnp.mean(_norm(reference[nearest] - z[None]))

        codes = member.encode(x) - statistics["mean"][None]
        return jax.lax.map(of_one, codes, batch_size=_TOGETHER)


@dataclasses.dataclass(frozen=True)
class ErrorAndNearestCodes(NearestCodes):
    r"""Logarithm of the product of reconstruction error and distance to the nearest codes of the reference.

    .. math:: \log \sum_i (x_i - \hat x_i)^2 + \log \frac{1}{k} \sum_{j \in N_k(z)} \|z - z_j\|

    The order of the examples does not depend on the units of either. Both are bounded from below by 1e-12.

    References:
      Denouden et al., *Improving reconstruction autoencoder out-of-distribution detection with Mahalanobis distance*,
      2018, add a distance of codes to the error, with a weight of their ranges.
    """

    title: ClassVar[str] = "error_and_knn"

    def values(self, member: MemberModel, statistics: Any, x: Any, *draws: Any) -> Any:
        error = _sum_of_squares(member.code_and_residual(x)[1])
        distance = super().values(member, statistics, x)
        return jnp.log(jnp.maximum(error, _LEAST)) + jnp.log(jnp.maximum(distance, _LEAST))


@dataclasses.dataclass(frozen=True)
class JacobianCorrected(Score):
    r"""Negative log-density of the example under the decoder's manifold, in nats.

    .. math:: \tfrac12 (z - \mu)^\top \Sigma^{-1} (z - \mu) + \tfrac12 \log\det(L^\top J^\top J L + \epsilon I)
       + \tfrac{k}{2} \log 2\pi + \frac{\|x - \hat x\|^2}{2 s^2} + \tfrac{d - k}{2} \log 2\pi s^2,
       \quad \Sigma = L L^\top, \quad s^2 = \frac{1}{n} \sum_b \frac{\|x_b - \hat x_b\|^2}{d - k}

    Codes are Gaussian with the mean and covariance of the reference; the decoder, whose Jacobian at z is J, carries
    their density onto the manifold; the residual is Gaussian and orthogonal to it. For a linear autoencoder that found
    PCA's subspace it is the density of probabilistic PCA.

    With k >= d units no direction is orthogonal: the score then orders examples but is no density.

    Attributes:
      ridge: epsilon over the total variance of the reference; it also bounds s^2 from below, by a feature's share of
        epsilon. The covariance has the ridge of :class:`Mahalanobis`.

    References:
      Brehmer and Cranmer, *Flows for simultaneous manifold learning and density estimation*, NeurIPS 2020;
      Caterini et al., *Rectangular flows for manifold learning*, NeurIPS 2021;
      Tipping and Bishop, *Probabilistic principal component analysis*, JRSS B 1999.
    """

    ridge: float = dataclasses.field(default=1e-6, compare=False)

    def __post_init__(self) -> None:
        require_positive("jacobian_corrected", ridge=self.ridge)

    def statistics(self, run: Run, stored: np.ndarray, condition: Any) -> Statistics:
        mean, whitening, factor = _gaussian(run.apply(_code, stored, condition=condition), _RIDGE)
        features = math.prod(run.shape)
        across = features - mean.shape[1] if mean.shape[1] < features else features
        error = _rows(_residual_variances(run, stored, condition)).sum(axis=1)
        spread = np.asarray(run.scaling(stored.astype(np.float32)), np.float64).var(axis=0).sum()
        floor = _one_where_zero(np.full(len(run), self.ridge * spread))
        variance = np.maximum(error / across, floor / features)
        return {"mean": mean, "whitening": whitening, "factor": factor, "floor": floor, "variance": variance}

    def values(self, member: MemberModel, statistics: Any, x: Any, *draws: Any) -> Any:
        mean, code = member.autoencoder.objective.likelihood.mean, deterministic(member.model.encode(x))

        def log_volume(example: tuple[Any, Any]) -> Any:
            z, condition = example

            def decode(z: Any) -> Any:
                given = None if condition is None else condition[None]
                return mean(member.model.decode(z.reshape(1, *code.shape[1:]), given)).ravel()

            tangents = jnp.matmul(jax.jacfwd(decode)(z), statistics["factor"], precision="highest")
            wide = tangents if tangents.shape[0] <= tangents.shape[1] else tangents.T
            squares = jnp.linalg.eigvalsh(jnp.matmul(wide, wide.T, precision="highest"))
            return 0.5 * jnp.sum(jnp.log(jnp.maximum(squares, 0.0) + statistics["floor"]))

        z, residual = member.code_and_residual(x)
        features, variance = math.prod(x.shape[1:]), statistics["variance"]
        along, across = min(z.shape[1], features), max(features - z.shape[1], 0)
        constants = 0.5 * along * math.log(2 * math.pi) + 0.5 * across * jnp.log(2 * math.pi * variance)
        return (
            0.5 * _squared_distance(z, statistics)
            + jax.lax.map(log_volume, (z, member.model.condition), batch_size=_TOGETHER)
            + 0.5 * _sum_of_squares(residual) / variance
            + constants
        )


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


SCORES: dict[str, type[Score]] = {
    "reconstruction_error": ReconstructionError,
    "reconstruction_nll": ReconstructionNLL,
    "whitened_error": WhitenedError,
    "mahalanobis": Mahalanobis,
    "knn_code": NearestCodes,
    "error_and_knn": ErrorAndNearestCodes,
    "jacobian_corrected": JacobianCorrected,
    "negative_elbo": NegativeELBO,
}
"""The scores by their names; each class tells the equation, units and options."""


def definition_of(name: str, **options: Any) -> Score:
    """Makes the definition of a named score from its options; refuses unknown names, options and values.

    Example:
      >>> definition_of("knn_code", neighbors=3)
      NearestCodes(neighbors=3, skip=0)
    """
    if name not in SCORES:
        raise unknown("anomaly score", name, SCORES)
    known = [field.name for field in dataclasses.fields(SCORES[name])]
    if options and not known:
        raise InvalidInput(f"{name} was given the option {next(iter(options))!r}: it has none.")
    for option in options:
        if option not in known:
            raise unknown(f"option of {name}", option, known)
    return SCORES[name](**options)


def _code(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any) -> Any:
    return MemberModel(autoencoder, model).encode(scaling(stored))


def _squared_residual(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any) -> Any:
    return jnp.square(MemberModel(autoencoder, model).code_and_residual(scaling(stored))[1])


def _residual_variances(run: Run, stored: np.ndarray, condition: Any) -> np.ndarray:
    """Mean squared residual of each feature, ``[members, *shape]``, in double precision and block by block."""
    total: Any = 0.0
    for start in range(0, len(stored), _BLOCK):
        rows = slice(start, start + _BLOCK)
        given = condition[rows] if np.ndim(condition) else condition
        squares = run.apply(_squared_residual, stored[rows], condition=given)
        total = total + squares.sum(axis=1, dtype=np.float64)
    return total / len(stored)


def _rows(values: Any) -> Any:
    return values.reshape(len(values), -1)


def _sum_of_squares(values: Any) -> Any:
    return jnp.sum(jnp.square(_rows(values)), axis=1)


def _squared_distance(codes: Any, statistics: Any) -> Any:
    """Of each code from the mean, where the reference's codes have the identity as covariance."""
    centred = codes - statistics["mean"][None]
    return _sum_of_squares(jnp.matmul(centred, statistics["whitening"].T, precision="highest"))


def _norm(rows: Any) -> Any:
    """Euclidean norms, whose gradient at zero is zero and not NaN."""
    squares = jnp.sum(jnp.square(rows), axis=1)
    zero = squares == 0  # unlike NaN, which must stay
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, squares)))


def _gaussian(codes: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean ``[members, k]`` of codes, and of their covariance the whitening W, W S W' = I, and the factor L, S = L L'.

    The ridge is at least what rounding of 32-bit codes makes of constants. Members with codes that are not finite get
    NaN.
    """
    finite = np.all(np.isfinite(codes), axis=(1, 2))
    if not finite.any():
        raise InvalidInput(
            "codes of the reference are NaN or infinite: expected a run that did not diverge; train anew."
        )
    codes = np.where(finite[:, None, None], codes, 0.0).astype(np.float64)
    mean = codes.mean(axis=1)
    centred = codes - mean[:, None]
    variances, axes = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred / codes.shape[1])
    rounding = np.finfo(np.float32).eps ** 2 * np.square(codes).mean(axis=(1, 2))
    least = _one_where_zero(np.maximum(ridge * variances.mean(axis=1), rounding))
    scales = np.sqrt(np.maximum(variances, 0.0) + least[:, None])
    scales[~finite], mean[~finite] = np.nan, np.nan
    return mean, np.swapaxes(axes, 1, 2) / scales[:, :, None], axes * scales[:, None, :]


def _one_where_zero(scale: np.ndarray) -> np.ndarray:
    """Scales with one in place of zero, to divide by."""
    return np.where(scale <= 0, 1.0, scale)


@dataclasses.dataclass(frozen=True, eq=False)
class AnomalyScore:
    """A score of a trained run, ready for new examples; :func:`anomaly_score` makes it.

    Attributes:
      run: the trained population.
      name: of the score, in :data:`SCORES`.
      definition: its options and equation.
      statistics: learned from reference examples; NumPy arrays of double precision, ``[members, ...]``;
        ``"baseline"`` is their mean in model units, from which explanations start.
      reference_size: number of reference examples; 0 without any.
    """

    run: Run
    name: str
    definition: Score
    statistics: Statistics = dataclasses.field(repr=False)
    reference_size: int = 0

    def score(self, x: Any, *, condition: Any = None, of_reference: bool = False) -> np.ndarray:
        """Anomaly score of each example, higher for more abnormal ones.

        Args:
          x: examples in the units that the run was trained on, ``[n, *shape]``.
          condition: as of :meth:`ae_jax.Run.encode`.
          of_reference: the examples are the reference, and none is compared with itself; use such scores to choose a
            threshold.

        Returns:
          The scores in double precision, computed in that of the networks: ``[members, n]``, or ``[n]`` of a single
          run, in the units that :data:`SCORES` tells.

        Raises:
          InvalidInput: another shape or range than trained on, no numbers, NaN or infinity; or with
            ``of_reference=True`` another number of examples than the reference has, or no more than neighbours.
        """
        if not of_reference:
            return self._apply(self.definition, x, condition)
        if self.reference_size and len(x) != self.reference_size:
            raise InvalidInput(
                f"score was given of_reference=True with {len(x)} examples: expected the {self.reference_size} of the "
                "reference, all of them; leave it out for others."
            )
        definition = self.definition.without_itself()
        if self.reference_size and self.reference_size < definition.fewest:
            raise InvalidInput(
                f"each of {self.reference_size} reference examples was to be compared with {definition.fewest - 1} "
                "others: expected more examples, or fewer neighbours."
            )
        return self._apply(definition, x, condition)

    def explain(self, x: Any, *, condition: Any = None, steps: int = 32) -> np.ndarray:
        r"""Contribution of each feature to the score of each example.

        Scores that are sums over features have their summands. Others have integrated gradients on the straight way
        from the mean of the reference examples :math:`\bar x` to x, by the midpoint rule,

        .. math:: (x_i - \bar x_i) \frac{1}{S} \sum_{s=1}^{S} \frac{\partial f}{\partial x_i}
           \left(\bar x + \tfrac{s - 1/2}{S} (x - \bar x)\right)

        which sum to :math:`f(x) - f(\bar x)` up to the error of the midpoint rule.

        Args:
          x: examples in the units that the run was trained on, ``[n, *shape]``.
          condition: as of :meth:`ae_jax.Run.encode`.
          steps: S, of integrated gradients; each costs a gradient of the score.

        Returns:
          The contributions in units of the score, ``[members, n, *shape]``, or ``[n, *shape]`` of a single run.

        Raises:
          InvalidInput: as of :meth:`score`; steps is no whole number above zero; or no reference examples were given.

        References:
          Sundararajan et al., *Axiomatic attribution for deep networks*, ICML 2017, section 5.
        """
        steps = positive_whole("explain", "steps", steps)
        if not isinstance(self.definition, SumOverFeatures) and "baseline" not in self.statistics:
            raise InvalidInput(
                f"{self.name} was given no reference examples, and explanations start from their mean: give normal "
                "examples as the reference, such as the training split."
            )
        return self._apply(_Contributions(self.definition, steps), x, condition)

    def _apply(self, function: Any, x: Any, condition: Any) -> np.ndarray:
        stored = self.run.data.raw(x)
        draws = self.definition.draws(len(stored))
        found = self.run.apply(function, stored, *draws, condition=condition, per_member=self.statistics)
        return np.asarray(found, np.float64)


def anomaly_score(run: Run, name: str, reference: Any = None, *, condition: Any = None, **options: Any) -> AnomalyScore:
    """Makes a named anomaly score of a trained run.

    Args:
      run: a trained population.
      name: of the score, in :data:`SCORES`.
      reference: normal examples in the units trained on, ``[n, *shape]``, usually the training split's.
      condition: of the reference, as of :meth:`ae_jax.Run.encode`.
      options: of the score, the fields of its class in :data:`SCORES`.

    Raises:
      InvalidInput: an unknown score or option, or an option out of range; no or too few reference examples for a
        score that needs them, or some that do not fit the run; ``negative_elbo`` of a run without a prior.

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
        stored = run.data.raw(reference, "the reference")
        size = len(stored)
        if size < definition.fewest:
            raise InvalidInput(
                f"{name} was given {size} reference examples: expected at least {definition.fewest}; give more "
                "normal examples."
            )
        mean = np.asarray(run.scaling(stored.mean(axis=0, dtype=np.float64)[None]), np.float64)
        statistics = {"baseline": np.repeat(mean, len(run), axis=0)}
        statistics |= definition.statistics(dataclasses.replace(run, single=False), stored, condition)
    return AnomalyScore(run, name, definition, statistics, size)


@dataclasses.dataclass(frozen=True)
class _Contributions:
    """Gives :meth:`ae_jax.Run.apply` the summands of a sum over features, else integrated gradients."""

    score: Score
    steps: int

    def __call__(
        self, autoencoder: Autoencoder, model: Any, scaling: Scaling, statistics: Any, stored: Any, *draws: Any
    ) -> Any:
        member, x = MemberModel(autoencoder, model), scaling(stored)
        if isinstance(self.score, SumOverFeatures):
            return self.score.contributions(member, statistics, x)
        way = x - statistics["baseline"][None]

        def total(x: Any) -> Any:
            return jnp.sum(self.score.values(member, statistics, x, *draws))

        def add(step: Any, gradients: Any) -> Any:
            return gradients + jax.grad(total)(x - (1.0 - (step + 0.5) / self.steps) * way)

        return way * jax.lax.fori_loop(0, self.steps, add, jnp.zeros_like(x)) / self.steps
