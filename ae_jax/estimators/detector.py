"""Anomaly detection with scikit-learn's interface."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import OutlierMixin

from ae_jax.errors import InvalidInput
from ae_jax.estimators.learner import AutoencoderEstimator
from ae_jax.estimators.parameters import DetectorParameters
from ae_jax.evaluation import Score, anomaly_score, definition_of
from ae_jax.models import Autoencoder


class AutoencoderDetector(DetectorParameters, OutlierMixin, AutoencoderEstimator):
    r"""Detects abnormal rows by an anomaly score of a trained autoencoder.

    .. math:: s(x) = -\sum_i (x_i - \hat x_i)^2, \qquad x \text{ is abnormal if } s(x) < \text{offset}

    This is the default score. Scores are computed in double precision; a row's score does not depend on other rows.

    Args:
      autoencoder, code, hyperparameters, scaling, image_shape, epochs, batch_size, validation_fraction, patience,
        random_state, verbose: as in :class:`AutoencoderTransformer`.
      anomaly_score: a score in :data:`ae_jax.evaluation.SCORES`, computed in model units. Scores that need normal rows
        use all rows of ``fit``. With the scores of neighbours, ``"knn_code"`` and ``"error_and_knn"``, ``predict`` and
        ``score_samples`` find a row of ``fit`` among its own neighbours; the offset and ``fit_predict`` exclude it, so
        that they treat rows of ``fit`` like new rows.
      score_options: options of that score, such as ``{"neighbors": 10}``; None for the defaults.
      contamination: the fraction of abnormal rows in ``fit``, in (0, 0.5], which the offset is fitted to. ``"auto"``
        places the offset at Tukey's upper inner fence of the abnormality :math:`-s`,

        .. math:: Q_3 + 1.5 \, (Q_3 - Q_1)

        which a few percent of normal rows exceed, and which moves little while less than a quarter are abnormal.

    Attributes:
      offset_: rows with a lower score are abnormal.
      training_scores_: scores of the rows of ``fit``, each without itself among its neighbours, ``[n]``.
      run_, scaling_, history_, n_iter_, n_features_in_, feature_names_in_: as in :class:`AutoencoderTransformer`.

    Raises:
      InvalidInput, TrainingDiverged: as in :class:`AutoencoderTransformer`.

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

    def fit(self, X: Any, y: Any = None) -> "AutoencoderDetector":
        """Trains from scratch on rows, most of them normal, and fits the offset to their scores; ignores ``y``."""
        for fitted in ("_anomaly_score", "training_scores_", "offset_"):  # so that none is left if this fit fails
            self.__dict__.pop(fitted, None)
        examples = self._examples(self._train(X))
        with jax.enable_x64(True):
            self._anomaly_score = anomaly_score(
                self._scaled_run(), self.anomaly_score, examples, **(self.score_options or {})
            )
        definition = self._anomaly_score.definition.without_itself()
        abnormality = self._abnormality(definition, examples)
        self.training_scores_ = -abnormality
        if self.contamination == "auto":
            low, high = np.percentile(abnormality, [25, 75])
            self.offset_ = -float(high + 1.5 * (high - low))
        else:
            self.offset_ = -float(np.percentile(abnormality, 100 * (1 - float(self.contamination))))
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Trains as ``fit`` and labels the same rows as ``predict``, each without itself among its neighbours."""
        self.fit(X)
        return self._labels(self.training_scores_)

    def score_samples(self, X: Any) -> np.ndarray:
        """Returns minus the named score of each row, ``[n]``, in double precision; lower is more abnormal."""
        examples = self._examples(self._validated(X))
        return -self._abnormality(self._anomaly_score.definition, examples)

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns ``score_samples(X) - offset_``, ``[n]``; abnormal rows are below zero."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Returns 1 for normal rows and -1 for abnormal rows, ``[n]``."""
        return self._labels(self.score_samples(X))

    def explain(self, X: Any) -> np.ndarray:
        """Returns the contribution of each feature to the abnormality of rows, ``[n, n_features]``.

        Contributions are in units of the score; positive ones make a row more abnormal
        (:meth:`ae_jax.evaluation.AnomalyScore.explain`).
        """
        examples = self._examples(self._validated(X))
        # A row alone gets the same latents as in its score.
        parts = np.split(examples, len(examples)) if self._anomaly_score.definition.draws(1) else [examples]
        with jax.enable_x64(True):
            return np.concatenate([self._anomaly_score.explain(part) for part in parts]).reshape(len(examples), -1)

    def _labels(self, scores: np.ndarray) -> np.ndarray:
        return np.where(scores >= self.offset_, 1, -1)  # NaN is abnormal

    def _abnormality(self, definition: Score, examples: np.ndarray) -> np.ndarray:
        # All rows get the same latents, so that a score does not depend on the row's position.
        draws = [jnp.broadcast_to(one, (len(examples), *one.shape[1:])) for one in definition.draws(1)]
        scores = self._apply(definition, examples, *draws, per_member=self._anomaly_score.statistics)
        return np.asarray(scores, np.float64)

    def _check(self, autoencoder: Autoencoder, rows: int) -> None:
        if not isinstance(self.score_options, Mapping | None):
            raise InvalidInput(
                f"score_options={self.score_options!r} was given: expected a dict, such as {{'neighbors': 10}}."
            )
        given: Any = self.contamination
        fits = 0 < float(given) <= 0.5 if isinstance(given, Real) else isinstance(given, str) and given == "auto"
        if not fits:
            raise InvalidInput(
                f"{type(self).__name__} was given contamination={given!r}: expected 'auto' or a fraction in (0, 0.5]."
            )
        definition = definition_of(str(self.anomaly_score), **(self.score_options or {}))
        definition.require(autoencoder)
        fewest = definition.without_itself().fewest
        if rows < fewest:
            raise InvalidInput(
                f"{self.anomaly_score} was given {rows} rows: expected at least {fewest}, as no row is its own "
                "neighbour; give more rows, or fewer neighbours."
            )
