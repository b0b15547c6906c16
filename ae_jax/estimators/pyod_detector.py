"""Anomaly detection with PyOD's interface; needs the extra ``pyod``."""

import dataclasses
from typing import Any, no_type_check

import numpy as np
from pyod.models.base import BaseDetector
from sklearn.utils.validation import check_is_fitted

from ae_jax.estimators.detector import AutoencoderDetector
from ae_jax.estimators.parameters import DetectorParameters


@no_type_check
@dataclasses.dataclass(eq=False, repr=False)
class AutoencoderPyOD(DetectorParameters, BaseDetector):
    r"""Detects abnormal rows as :class:`AutoencoderDetector` does, with PyOD's names and signs.

    .. math:: s(x) = \sum_i (x_i - \hat x_i)^2, \qquad x \text{ is abnormal if } s(x) > \text{threshold}

    This is the default score; higher is more abnormal.

    Args:
      autoencoder, code, hyperparameters, anomaly_score, score_options, scaling, image_shape, epochs, batch_size,
        validation_fraction, patience, random_state, verbose: as in :class:`AutoencoderDetector`.
      contamination: the fraction of abnormal rows in ``fit``, in (0, 0.5], or a thresholder of PyThresh.

    Attributes:
      decision_scores_: scores of the rows of ``fit``, each without itself among its neighbours, ``[n]``.
      threshold_: rows with a higher score are abnormal.
      labels_: 1 for abnormal rows of ``fit`` and 0 for others, ``[n]``.
      detector_: the fitted :class:`AutoencoderDetector`, which holds the run.
      n_features_in_: number of columns.

    Raises:
      ValueError: a contamination outside (0, 0.5]; from ``fit``, an ``InvalidInput`` for other parameters.
      TrainingDiverged: a loss became NaN or infinite in ``fit``.

    Example:
      >>> rows = np.random.default_rng(0).normal(size=(100, 4))
      >>> rows[:, 2:] = rows[:, :2]
      >>> detector = AutoencoderPyOD(code=2, hyperparameters={"hidden": ()}, random_state=0).fit(rows)
      >>> detector.predict(np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 3.0, -3.0, -3.0]]))
      array([0, 1])

    References:
      Zhao, Nasrullah and Li, *PyOD: a Python toolbox for scalable outlier detection*, JMLR 2019.
    """

    contamination: Any = 0.1

    def __post_init__(self):
        """Lets PyOD check the contamination."""
        BaseDetector.__init__(self, contamination=self.contamination)

    def fit(self, X: Any, y: Any = None) -> "AutoencoderPyOD":
        """Trains from scratch on rows, most of them normal, and fits the threshold; ignores ``y`` with a warning."""
        self._set_n_classes(y)
        chosen = {name: value for name, value in self.get_params(deep=False).items() if name != "contamination"}
        self.detector_ = AutoencoderDetector(**chosen).fit(X)
        self.n_features_in_ = len(self.detector_.scaling_.offset)
        self.decision_scores_ = -self.detector_.training_scores_
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns the named score of each row, ``[n]``, in double precision; higher is more abnormal."""
        check_is_fitted(self, ["decision_scores_", "threshold_", "labels_"])
        return -self.detector_.score_samples(X)

    def explain(self, X: Any) -> np.ndarray:
        """Returns the contribution of each feature to the scores, ``[n, n_features]``."""
        check_is_fitted(self, ["decision_scores_", "threshold_", "labels_"])
        return self.detector_.explain(X)
