"""An autoencoder that says which rows are abnormal, in PyOD's terms; needs the extra ``pyod``."""

from typing import Any, no_type_check

import numpy as np
from pyod.models.base import BaseDetector
from sklearn.utils.validation import check_is_fitted

from ae_jax.estimators.detector import AutoencoderDetector
from ae_jax.types import Shape


class AutoencoderPyOD(BaseDetector):
    r"""Rows that an autoencoder finds abnormal: :class:`AutoencoderDetector` with PyOD's names and signs.

    .. math:: s(x) = \sum_i (x_i - \hat x_i)^2, \qquad \text{abnormal where } s(x) > \text{threshold}

    that is the default score; high means abnormal.

    Args:
      autoencoder, code, hyperparameters, anomaly_score, score_options, scaling, image_shape, epochs, batch_size,
        validation_fraction, patience, random_state: as of :class:`AutoencoderDetector`.
      contamination: the fraction of abnormal rows among those of ``fit``, in (0, 0.5], or a thresholder of PyThresh.

    Attributes:
      decision_scores_: of the rows of ``fit``, none compared with itself, ``[n]``.
      threshold_: what a score is above where a row is abnormal.
      labels_: of the rows of ``fit``: 1 where abnormal and else 0, ``[n]``.
      detector_: the fitted :class:`AutoencoderDetector`, with the run and how it was trained.
      n_features_in_: columns of the rows.

    Raises:
      ValueError: a contamination outside (0, 0.5]; in ``fit``, an ``InvalidInput`` for what else cannot be used.
      TrainingDiverged: in ``fit``, where a loss turned NaN or infinite.

    Example:
      >>> rows = np.random.default_rng(0).normal(size=(100, 4))
      >>> rows[:, 2:] = rows[:, :2]
      >>> detector = AutoencoderPyOD(code=2, hyperparameters={"hidden": ()}, random_state=0).fit(rows)
      >>> detector.predict(np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 3.0, -3.0, -3.0]]))
      array([0, 1])

    References:
      Zhao, Nasrullah and Li, *PyOD: a Python toolbox for scalable outlier detection*, JMLR 2019.
    """

    @no_type_check  # any value may be set; those that cannot be used are refused when they are
    def __init__(
        self,
        autoencoder: Any = "undercomplete",
        *,
        code: int | None = None,
        hyperparameters: dict[str, Any] | None = None,
        anomaly_score: str = "reconstruction_error",
        score_options: dict[str, Any] | None = None,
        contamination: Any = 0.1,
        scaling: str | None = "standard",
        image_shape: Shape | None = None,
        epochs: int = 100,
        batch_size: int = 64,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        random_state: Any = None,
    ):
        super().__init__(contamination=contamination)
        self.autoencoder = autoencoder
        self.code = code
        self.hyperparameters = hyperparameters
        self.anomaly_score = anomaly_score
        self.score_options = score_options
        self.scaling = scaling
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "AutoencoderPyOD":
        """Trains anew, and fits the threshold to the scores of the same rows.

        Args:
          X: rows, ``[n, n_features]``, most of them normal.
          y: ignored, with a warning where it is given.
        """
        self._set_n_classes(y)
        chosen = {name: value for name, value in self.get_params(deep=False).items() if name != "contamination"}
        self.detector_ = AutoencoderDetector(**chosen).fit(X)
        self.n_features_in_ = len(self.detector_.scaling_.offset)
        self.decision_scores_ = -self.detector_.training_scores_
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """How abnormal rows are: the higher, the more.

        Args:
          X: rows, ``[n, n_features]``.

        Returns:
          The named score, ``[n]``, in double precision.
        """
        check_is_fitted(self, ["decision_scores_", "threshold_", "labels_"])
        return -self.detector_.score_samples(X)

    def explain(self, X: Any) -> np.ndarray:
        """What each feature contributes to how abnormal rows are, ``[n, n_features]``, in units of the score."""
        check_is_fitted(self, ["decision_scores_", "threshold_", "labels_"])
        return self.detector_.explain(X)
