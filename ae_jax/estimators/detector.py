"""An autoencoder that says which rows are abnormal, in scikit-learn's terms."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import OutlierMixin

from ae_jax.errors import InvalidInput
from ae_jax.estimators.learner import AutoencoderEstimator
from ae_jax.evaluation import Score, anomaly_score, definition_of
from ae_jax.models import Autoencoder
from ae_jax.types import Shape


class AutoencoderDetector(OutlierMixin, AutoencoderEstimator):
    r"""Rows that an autoencoder finds abnormal, by a score of its run.

    .. math:: s(x) = -\sum_i (x_i - \hat x_i)^2, \qquad \text{abnormal where } s(x) < \text{offset}

    that is the default score; all of them are computed in double precision, and do not depend on which rows come
    together.

    Args:
      autoencoder, code, hyperparameters, scaling, image_shape, epochs, batch_size, validation_fraction, patience,
        random_state: as of :class:`AutoencoderTransformer`.
      anomaly_score: the name of a score in :data:`ae_jax.evaluation.anomaly.SCORES`, in model units, such as
        ``"reconstruction_error"``, ``"whitened_error"``, ``"mahalanobis"``, ``"knn_code"``, ``"jacobian_corrected"``
        or, of a variational autoencoder, ``"negative_elbo"``. Those that compare with normal rows take all rows of
        ``fit`` for normal. By those of neighbours, ``"knn_code"`` and ``"error_and_knn"``, ``predict`` and
        ``score_samples`` compare a row of ``fit`` with itself too; the offset and ``fit_predict`` compare none with
        itself, so that fresh normal rows are judged as those of ``fit`` are.
      score_options: of that score, such as ``{"neighbors": 10}``; None for the defaults.
      contamination: the fraction of abnormal rows among those of ``fit``, in (0, 0.5], which the offset is fitted to;
        ``"auto"`` assumes none and calls abnormal what lies beyond Tukey's upper inner fence of the rows of ``fit``,

        .. math:: Q_3 + 1.5 \, (Q_3 - Q_1)

        of the quartiles of the abnormality :math:`-s`: a few in a hundred of normal rows, and the fence hardly moves
        as long as less than a quarter are abnormal.

    Attributes:
      offset_: what a score is below where a row is abnormal.
      training_scores_: how normal the rows of ``fit`` are, none compared with itself, ``[n]``.
      run_, scaling_, history_, n_iter_, n_features_in_, feature_names_in_: as of :class:`AutoencoderTransformer`.

    Raises:
      InvalidInput: in ``fit``, for parameters that cannot be used; a ``ValueError``, as scikit-learn's own are.
      TrainingDiverged: in ``fit``, where a loss turned NaN or infinite.

    Example:
      >>> rows = np.random.default_rng(0).normal(size=(100, 4))
      >>> rows[:, 2:] = rows[:, :2]
      >>> detector = AutoencoderDetector(code=2, hyperparameters={"hidden": ()}, random_state=0).fit(rows)
      >>> detector.predict([[1.0, 1.0, 1.0, 1.0], [3.0, 3.0, -3.0, -3.0]])
      array([ 1, -1])

    References:
      Sakurada and Yairi, *Anomaly detection using autoencoders with nonlinear dimensionality reduction*, MLSDA 2014;
      Tukey, *Exploratory data analysis*, 1977, section 2C (fences).
    """

    _fitted_last: ClassVar[str] = "offset_"

    @no_type_check  # any value may be set; those that cannot be used are refused when they are
    def __init__(
        self,
        autoencoder: Any = "undercomplete",
        *,
        code: int | None = None,
        hyperparameters: dict[str, Any] | None = None,
        anomaly_score: str = "reconstruction_error",
        score_options: dict[str, Any] | None = None,
        contamination: float | str = "auto",
        scaling: str | None = "standard",
        image_shape: Shape | None = None,
        epochs: int = 100,
        batch_size: int = 64,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        random_state: Any = None,
    ):
        super().__init__(
            autoencoder,
            code=code,
            hyperparameters=hyperparameters,
            scaling=scaling,
            image_shape=image_shape,
            epochs=epochs,
            batch_size=batch_size,
            validation_fraction=validation_fraction,
            patience=patience,
            random_state=random_state,
        )
        self.anomaly_score = anomaly_score
        self.score_options = score_options
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> "AutoencoderDetector":
        """Trains anew, and fits the offset to the scores of the same rows.

        Args:
          X: rows, ``[n, n_features]``, most of them normal.
          y: ignored.
        """
        for fitted in ("_anomaly_score", "training_scores_", "offset_"):  # of an earlier fit, if this one fails
            self.__dict__.pop(fitted, None)
        self._check_choices()
        examples = self._examples(self._train(X))
        with jax.enable_x64(True):
            self._anomaly_score = anomaly_score(
                self._scaled_run(), self.anomaly_score, examples, **(self.score_options or {})
            )
        definition = self._definition().without_itself(self._anomaly_score.statistics)
        abnormality = self._abnormality(definition, examples)
        self.training_scores_ = -abnormality
        self.offset_ = -_fence(abnormality, self.contamination)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Trains anew, and whether the same rows are normal, none compared with itself.

        Args:
          X: rows, ``[n, n_features]``, most of them normal.
          y: ignored.

        Returns:
          1 where a row is normal and -1 where it is abnormal, ``[n]``.
        """
        self.fit(X)
        return _judged(self.training_scores_ - self.offset_)

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal rows are: the lower, the more abnormal.

        Args:
          X: rows, ``[n, n_features]``.

        Returns:
          Minus the named score, ``[n]``, in double precision.
        """
        examples = self._examples(self._validated(X))
        return -self._abnormality(self._definition(), examples)

    def decision_function(self, X: Any) -> np.ndarray:
        """How far the score of rows is above the offset: below zero where they are abnormal.

        Args:
          X: rows, ``[n, n_features]``.

        Returns:
          ``score_samples(X) - offset_``, ``[n]``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Whether rows are normal.

        Args:
          X: rows, ``[n, n_features]``.

        Returns:
          1 where a row is normal and -1 where it is abnormal, ``[n]``.
        """
        return _judged(self.decision_function(X))

    def explain(self, X: Any) -> np.ndarray:
        """What each feature contributes to how abnormal rows are.

        Args:
          X: rows, ``[n, n_features]``.

        Returns:
          Contributions, ``[n, n_features]``, in units of the score, high where a feature makes a row abnormal
          (:meth:`ae_jax.evaluation.anomaly.AnomalyScore.explain`).
        """
        examples = self._examples(self._validated(X))
        # Each row by itself has the latents that its score has.
        parts = np.split(examples, len(examples)) if self._definition().draws(1) else [examples]
        with jax.enable_x64(True):
            return np.concatenate([self._anomaly_score.explain(part) for part in parts]).reshape(len(examples), -1)

    def _abnormality(self, definition: Score, examples: np.ndarray) -> np.ndarray:
        # Every row meets the same latents, so that its score does not depend on where it stands.
        draws = [jnp.broadcast_to(one, (len(examples), *one.shape[1:])) for one in definition.draws(1)]
        scores = self._apply(definition, examples, *draws, per_member=self._anomaly_score.statistics)
        return np.asarray(scores, np.float64)

    def _definition(self) -> Score:
        return definition_of(self._anomaly_score.name, **self._anomaly_score.options)

    def _check_choices(self) -> None:
        """Raises a sentence before anything is trained."""
        if not isinstance(self.score_options, Mapping | None):
            raise InvalidInput(
                f"score_options={self.score_options!r} was given: expected a dict, such as {{'neighbors': 10}}."
            )
        definition_of(str(self.anomaly_score), **(self.score_options or {}))
        given: Any = self.contamination
        fits = 0 < float(given) <= 0.5 if isinstance(given, Real) else isinstance(given, str) and given == "auto"
        if not fits:
            raise InvalidInput(
                f"{type(self).__name__} was given contamination={given!r}: expected 'auto' or a fraction in (0, 0.5]."
            )

    def _require(self, autoencoder: Autoencoder, rows: int) -> None:
        definition = definition_of(self.anomaly_score, **(self.score_options or {}))
        definition.require(autoencoder)
        fewest = definition.fewest_without_itself
        if rows < fewest:
            raise InvalidInput(
                f"{self.anomaly_score} was given {rows} rows: expected at least {fewest}, as none is compared with "
                "itself; give more rows, or fewer neighbours."
            )


def _judged(decision: np.ndarray) -> np.ndarray:
    """1 where normal and -1 where abnormal, as what has no number is."""
    return np.where(decision >= 0, 1, -1)


def _fence(abnormality: np.ndarray, contamination: float | str) -> float:
    """How abnormal a row may be and still count as normal."""
    if contamination == "auto":
        low, high = np.percentile(abnormality, [25, 75])
        return float(high + 1.5 * (high - low))
    return float(np.percentile(abnormality, 100 * (1 - float(contamination))))
