"""The codes of an autoencoder as features, in scikit-learn's terms."""

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ae_jax.data import require_shape
from ae_jax.estimators.choice import choose
from ae_jax.estimators.columns import fit_columns
from ae_jax.estimators.learner import TYPES, AutoencoderEstimator, code_of_batch, data_of_batch
from ae_jax.training import TrainConfig, train_one_epoch
from ae_jax.training.plan import plan


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, AutoencoderEstimator):
    r"""Rows to the codes of an autoencoder that was trained on rows, and codes back to rows.

    .. math:: z = h((x - a) / b), \qquad \hat x = a + b \, g(z)

    Of a stochastic encoder the code is the posterior mean. Codes are computed in double precision and do not depend on
    which rows come together; they have the type of the rows, 32 or 64 bits.

    Args:
      autoencoder: a name in :data:`ae_jax.NAMED`, or a composition, an :class:`ae_jax.Autoencoder`. A named one has
        the likelihood of the data as they are scaled: squared error, or of the variational one a Bernoulli likelihood
        where all values lie in [0, 1], else a Gaussian one of scale 1.
      code: size of the code of a named autoencoder; None for its default (16, or 128 of the sparse one).
      hyperparameters: further ones of a named autoencoder, such as ``{"hidden": (64,), "learning_rate": 1e-3}``; None
        for the defaults of the function of that name.
      scaling: of each column, fitted in ``fit`` to all rows: ``"standard"`` to mean zero and standard deviation one,
        ``"unit"`` to [0, 1], None to leave them; a column that is constant becomes zero. Model units are what they
        bring rows to.
      image_shape: of one row, ``(height, width)`` or ``(height, width, channels)``; None leaves rows as they are, but
        the named convolutional autoencoder sees images of one line, ``(1, n_features)``.
      epochs: how often every row is seen, at most.
      batch_size: rows in a step; all, where there are fewer.
      validation_fraction: of the rows, held out at random; the parameters of the epoch with the lowest validation loss
        are kept. 0 trains on all rows and keeps the latest.
      patience: epochs without a lower validation loss after which training stops; None trains all epochs.
      random_state: seed of parameters, batches, noise and what is held out; used in ``fit`` only.

    Attributes:
      run_: the trained :class:`ae_jax.Run`, its parameters NumPy arrays; it takes rows in the units of the data.
      scaling_: offset and scale of each column, in double precision.
      history_: split -> term -> ``[n_iter_]``.
      n_iter_: epochs that were trained.
      n_features_in_: columns of the rows.
      feature_names_in_: their names, where all are strings.

    Raises:
      InvalidInput: in ``fit``, for parameters that cannot be used; a ``ValueError``, as scikit-learn's own are.
      TrainingDiverged: in ``fit``, where a loss turned NaN or infinite.

    Example:
      >>> from sklearn.datasets import load_digits
      >>> X = load_digits().data[:200]
      >>> transformer = AutoencoderTransformer(code=2, hyperparameters={"hidden": ()}, epochs=2, random_state=0)
      >>> transformer.fit_transform(X).shape
      (200, 2)
      >>> transformer.inverse_transform(transformer.transform(X[:3])).shape
      (3, 64)

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006;
      Buitinck et al., *API design for machine learning software: experiences from the scikit-learn project*, 2013.
    """

    def fit(self, X: Any, y: Any = None) -> "AutoencoderTransformer":
        """Trains anew.

        Args:
          X: rows, ``[n, n_features]``.
          y: ignored.
        """
        self._train(X)
        self.__dict__.pop("_state", None)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> "AutoencoderTransformer":
        """Trains by one more pass over these rows; the state of the optimiser goes on from call to call.

        The first call fixes the autoencoder, its seed and the scaling, which is fitted to the rows of that call. As
        many calls with the same rows as ``fit`` has epochs give what ``fit`` gives. After ``fit``, the optimiser
        starts afresh from the parameters that were fitted. ``epochs``, ``validation_fraction`` and ``patience`` are of
        ``fit`` alone. A new number of rows compiles a new program: parts of one size cost least.

        Args:
          X: rows, ``[n, n_features]``.
          y: ignored.
        """
        first = not hasattr(self, "run_")
        rows = self._validated(X, reset=first)
        scaling = fit_columns(self.scaling, rows) if first else self.scaling_
        seed = self._drawn_seed() if first else int(self.run_.seeds[0])
        dataset = self._dataset(scaling(rows), 0.0, seed)
        scaling.as_stored(dataset.shape)  # refuses columns beyond 32 bits before anything is trained
        run = None if first else self.run_
        planned = plan(
            choose(self.autoencoder, self.code, self.hyperparameters, dataset) if run is None else run.members[0],
            dataset,
            TrainConfig(batch_size=self._batch_size(dataset)),
            seeds=seed,
        )
        run, state = train_one_epoch(planned, run, getattr(self, "_state", None))
        seen = None if first else (self.run_.data.low, self.run_.data.high)
        self._keep(run, scaling, rows, seen)
        self._state = state
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Codes of rows.

        Args:
          X: rows, ``[n, n_features]``.

        Returns:
          Codes, ``[n, code]``.
        """
        rows = self._validated(X)
        return self._apply(code_of_batch, self._examples(rows)).astype(rows.dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Rows that codes stand for, in the units of the data.

        Args:
          X: codes, ``[n, code]``.

        Returns:
          Rows, ``[n, n_features]``.

        Raises:
          InvalidInput: codes of another size.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=TYPES)
        require_shape(codes, (self._n_features_out,), "codes")
        examples = self._apply(data_of_batch, codes.astype(np.float64))
        return self.scaling_.invert(examples.reshape(len(codes), -1)).astype(codes.dtype)

    @property
    def _n_features_out(self) -> int:
        return self.run_.autoencoder.networks.code

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
