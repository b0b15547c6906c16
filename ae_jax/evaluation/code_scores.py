"""Anomaly scores of codes: their distance from those of normal examples, and their density."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import non_negative_whole, positive_whole, require_positive
from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.scores import MemberModel, Score, Statistics, one_where_zero, residual_variances, rows_of
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training import Run

_TOGETHER = 16
"""Number of examples that are compared with all reference codes, or have their Jacobian, at a time."""
_RIDGE = 1e-8
"""Ridge of a covariance of codes, relative to its mean variance; far above rounding in 32 bits."""
_LEAST = 1e-12
"""The least argument of a logarithm."""


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
        error = rows_of(residual_variances(run, stored, condition)).sum(axis=1)
        spread = np.asarray(run.scaling(stored.astype(np.float32)), np.float64).var(axis=0).sum()
        floor = one_where_zero(np.full(len(run), self.ridge * spread))
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


def _code(autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any) -> Any:
    return MemberModel(autoencoder, model).encode(scaling(stored))


def _sum_of_squares(values: Any) -> Any:
    return jnp.sum(jnp.square(rows_of(values)), axis=1)


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
    least = one_where_zero(np.maximum(ridge * variances.mean(axis=1), rounding))
    scales = np.sqrt(np.maximum(variances, 0.0) + least[:, None])
    scales[~finite], mean[~finite] = np.nan, np.nan
    return mean, np.swapaxes(axes, 1, 2) / scales[:, :, None], axes * scales[:, None, :]
