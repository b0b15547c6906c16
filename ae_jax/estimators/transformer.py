"""Codes as features, with scikit-learn's interface."""

import math
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ae_jax.data import require_shape
from ae_jax.estimators.columns import fit_columns
from ae_jax.estimators.learner import TYPES, AutoencoderEstimator, code_of_batch, data_of_batch
from ae_jax.estimators.parameters import choose
from ae_jax.networks import code_shape
from ae_jax.public import public
from ae_jax.training import TrainConfig, train_one_epoch
from ae_jax.training.plan import plan


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, AutoencoderEstimator):
    r"""Transforms rows to the codes of an autoencoder that is trained on rows, and codes back to rows.

    .. math:: z = h((x - a) / b), \qquad \hat x = a + b \, g(z)

    The code of a stochastic encoder is the posterior mean. Codes are computed in double precision and have the type of
    the rows, 32 or 64 bits; a row's code does not depend on other rows.

    Args:
      autoencoder: a name in :data:`ae_jax.NAMED`, or an :class:`ae_jax.Autoencoder`. A named one has the likelihood
        that fits the scaled data: squared error, or for the variational one Bernoulli if all values lie in [0, 1], else
        Gaussian of scale 1.
      code: size of the code of a named autoencoder; None for its default (16, or 128 for the sparse one).
      hyperparameters: further hyper-parameters of a named autoencoder, such as ``{"hidden": (64,)}``; None for the
        defaults.
      scaling: scaling of each column to model units, fitted in ``fit``: ``"standard"`` to mean zero and standard
        deviation one, ``"unit"`` to [0, 1], None for no scaling. A constant column becomes zero.
      image_shape: shape of one row as an image, ``(height, width)`` or ``(height, width, channels)``; None for rows
        without shape, which the named convolutional autoencoder takes as images of one line, ``(1, n_features)``.
      epochs: largest number of epochs.
      batch_size: rows of one step; all of them if there are fewer.
      validation_fraction: fraction of the rows that is held out at random; the parameters with the lowest validation
        loss are kept. 0 trains on all rows and keeps the latest parameters.
      patience: epochs without a lower validation loss after which training stops; None trains all epochs.
      random_state: seed of parameters, batches, noise and held-out rows.
      verbose: whether ``fit`` shows its progress on the standard error.

    Attributes:
      run_: the trained :class:`ae_jax.Run` with NumPy parameters; it takes rows in their own units.
      scaling_: offset and scale of each column, in double precision.
      history_: split -> term -> ``[n_iter_]``.
      n_iter_: number of epochs that were trained.
      n_features_in_: number of columns.
      feature_names_in_: names of the columns, if all are strings.

    Raises:
      InvalidInput: ``fit`` was given parameters that cannot be used; it is a ``ValueError``, as in scikit-learn.
      TrainingDiverged: a loss became NaN or infinite in ``fit``.

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
        """Trains from scratch on rows, ``[n, n_features]``; ignores ``y``."""
        self._train(X)
        self.__dict__.pop("_state", None)
        return self

    @public
    def partial_fit(self, X: Any, y: Any = None) -> "AutoencoderTransformer":
        """Trains for one epoch on these rows, continuing from the parameters and optimiser state of the last call.

        The first call fixes the autoencoder, its seed and the scaling, which is fitted to the rows of that call. As
        many calls with the same rows as ``fit`` has epochs give the result of ``fit``. After ``fit``, training
        continues from the fitted parameters with a new optimiser state. ``epochs``, ``validation_fraction`` and
        ``patience`` have no effect here. Each new number of rows compiles a new program. ``y`` is ignored.
        """
        run = getattr(self, "run_", None)
        rows = self._validated(X, reset=run is None)
        scaling = fit_columns(self.scaling, rows) if run is None else self.scaling_
        seed = self._draw_seed() if run is None else int(run.seeds[0])
        dataset = self._dataset(scaling, rows, 0.0, seed)
        planned = plan(
            choose(self.autoencoder, self.code, self.hyperparameters, dataset) if run is None else run.members[0],
            dataset,
            TrainConfig(batch_size=self._batch_size(dataset)),
            seeds=seed,
        )
        trained, state = train_one_epoch(planned, run, getattr(self, "_state", None))
        self._keep(trained, scaling, rows, *([] if run is None else [(run.data.low, run.data.high)]))
        self._state = state
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Returns the codes of rows, ``[n, code]``."""
        rows = self._validated(X)
        return self._apply(code_of_batch, self._examples(rows)).reshape(len(rows), -1).astype(rows.dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Returns codes, ``[n, code]``, decoded to rows in the units of the data, ``[n, n_features]``.

        Raises:
          InvalidInput: codes of another size.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=TYPES)
        require_shape(codes, (self._n_features_out,), "codes")
        latents = codes.astype(np.float64).reshape(-1, *code_shape(self.run_.autoencoder.networks))
        examples = self._apply(data_of_batch, latents)
        return self.scaling_.invert(examples.reshape(len(codes), -1)).astype(codes.dtype)

    @property
    def _n_features_out(self) -> int:
        return math.prod(code_shape(self.run_.autoencoder.networks))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
