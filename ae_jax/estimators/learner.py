"""The base of the estimators: training on rows, and inference in which each row's result is its own."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ae_jax._checks import positive_whole, widths
from ae_jax.data import Dataset, Scaling, from_arrays
from ae_jax.errors import InvalidInput
from ae_jax.estimators.columns import ColumnScaling, fit_columns
from ae_jax.estimators.parameters import TrainingParameters, choose
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.public import public
from ae_jax.training import Run, fit
from ae_jax.types import Shape

TYPES: Any = [np.float64, np.float32]
"""Types that rows keep; rows of another type become the first."""

_LARGE = 1e36
"""A bound on values in model units below which 32-bit differences stay finite."""


class AutoencoderEstimator(TrainingParameters, BaseEstimator):
    """Base class of scikit-learn's estimators; :class:`AutoencoderTransformer` describes the parameters."""

    _fitted_last: ClassVar[str] = "run_"
    """The attribute that ``fit`` sets last."""

    def score(self, X: Any, y: Any = None) -> float:
        """Returns minus the mean reconstruction loss of a row; higher is better.

        The loss is that of the autoencoder's likelihood, summed over features, in model units: squared error, or nats,
        without penalties and divergences. It compares sizes of the code, epochs and penalties, but no likelihoods or
        scalings. A Bernoulli likelihood is defined on [0, 1] only: values outside the fitted range are clipped to it.
        ``y`` is ignored.
        """
        return -float(np.mean(self._apply(_loss, self._examples(self._validated(X)))))

    def _validated(self, X: Any, *, reset: bool = False) -> np.ndarray:
        """Returns rows of finite numbers; with ``reset`` their columns are the ones that later rows must have."""
        if not reset:
            check_is_fitted(self, self._fitted_last)
        return np.asarray(validate_data(self, X, reset=reset, dtype=TYPES))

    @public
    def _train(self, X: Any) -> np.ndarray:
        """Fits the scaling and trains from scratch; returns the validated rows."""
        rows = self._validated(X, reset=True)
        scaling = fit_columns(self.scaling, rows)
        seed = self._draw_seed()
        dataset = self._dataset(scaling, rows, self._fraction(), seed)
        autoencoder = choose(self.autoencoder, self.code, self.hyperparameters, dataset)
        self._check(autoencoder, len(rows))
        run = fit(
            autoencoder,
            dataset,
            seeds=seed,
            epochs=self.epochs,
            batch_size=self._batch_size(dataset),
            patience=self.patience,
            progress=bool(self.verbose),
        )
        self._keep(run, scaling, rows)
        return rows

    def _check(self, autoencoder: Autoencoder, rows: int) -> None:
        """Refuses before training an autoencoder, a number of rows or parameters that the estimator cannot use."""

    def _keep(
        self, run: Run, scaling: ColumnScaling, rows: np.ndarray, seen: tuple[float, float] = (np.inf, -np.inf)
    ) -> None:
        """Sets the fitted attributes; ``seen`` is the range of earlier rows. The kept run takes rows in their units."""
        names = getattr(self, "feature_names_in_", None)
        data = dataclasses.replace(
            run.data,
            low=min(seen[0], float(rows.min())),
            high=max(seen[1], float(rows.max())),
            columns=None if names is None or len(run.shape) > 1 else tuple(map(str, names)),
            scaling=scaling.as_stored(run.shape),
        )
        self.scaling_ = scaling
        # Without device arrays, so that the estimator can be pickled and sent to other processes.
        autoencoder, params, state = jax.tree.map(np.asarray, (run.autoencoder, run.params, run.state))
        self.run_ = dataclasses.replace(run, autoencoder=autoencoder, params=params, state=state, data=data)
        self.history_ = {
            split: {term: values[0] for term, values in terms.items()} for split, terms in run.history.items()
        }
        self.n_iter_ = len(self.history_["train"]["loss"])

    def _dataset(self, scaling: ColumnScaling, rows: np.ndarray, validation: float, seed: int) -> Dataset:
        """Returns rows as examples in model units, with a fraction held out; refuses columns beyond 32 bits."""
        shape = self._shape(rows.shape[1])
        scaling.as_stored(shape)
        examples = scaling(rows).reshape(-1, *shape)
        return from_arrays(examples, name="X", validation=validation, test=0.0, scaling=Scaling(), seed=seed)

    def _shape(self, columns: int) -> Shape:
        """Returns the shape of one example."""
        if self.image_shape is None:
            return (1, columns) if self.autoencoder == "convolutional" else (columns,)
        shape = widths(self, "image_shape", self.image_shape)
        if not shape or np.prod(shape) != columns:
            raise InvalidInput(
                f"{type(self).__name__} was given image_shape={self.image_shape!r} for rows of {columns} features: "
                "expected as many pixels as features."
            )
        return shape

    def _fraction(self) -> float:
        """Returns the fraction of rows that is held out for validation."""
        fraction = self.validation_fraction
        if isinstance(fraction, bool) or not isinstance(fraction, (int, float, np.number)) or not 0 <= fraction < 1:
            raise InvalidInput(
                f"{type(self).__name__} was given validation_fraction={fraction!r}: expected a fraction in [0, 1)."
            )
        if self.patience is not None and not fraction:
            raise InvalidInput(
                f"{type(self).__name__} was given patience={self.patience!r} and no rows to validate on: expected "
                "validation_fraction above 0."
            )
        return float(fraction)

    def _batch_size(self, dataset: Dataset) -> int:
        return min(positive_whole(self, "batch_size", self.batch_size), dataset.training_examples)

    def _draw_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**32, dtype=np.uint32))

    def _examples(self, rows: np.ndarray) -> np.ndarray:
        """Returns rows in model units, in double precision, ``[n, *shape]``."""
        return self.scaling_(rows.astype(np.float64)).reshape(-1, *self.run_.shape)

    def _scaled_run(self) -> Run:
        """Returns the run for examples that are in model units already, without limits on their values."""
        data = dataclasses.replace(
            self.run_.data, scaling=Scaling(), columns=None, low=-_LARGE, high=_LARGE, likelihood="GaussianLikelihood"
        )
        return dataclasses.replace(self.run_, data=data)

    def _apply(self, function: Callable[..., Any], *arrays: Any, per_member: Any = None) -> Any:
        """Applies :meth:`ae_jax.Run.apply` in double precision: rounding hides which rows are in a batch together."""
        with jax.enable_x64(True):
            run = self._scaled_run()
            run = dataclasses.replace(run, params=jax.device_put(run.params))
            return run.apply(function, *arrays, per_member=per_member)


def code_of_batch(autoencoder: Autoencoder, model: Any, scaling: Scaling, x: Any) -> Any:
    """Returns codes; for :meth:`AutoencoderEstimator._apply`."""
    return deterministic(model.encode(scaling(x)))


def data_of_batch(autoencoder: Autoencoder, model: Any, scaling: Scaling, z: Any) -> Any:
    """Returns decoded codes in model units."""
    return autoencoder.objective.likelihood.mean(model.decode(z))


def _loss(autoencoder: Autoencoder, model: Any, scaling: Scaling, x: Any) -> Any:
    likelihood = autoencoder.objective.likelihood
    outputs = model.decode(code_of_batch(autoencoder, model, scaling, x))
    return likelihood(outputs, jnp.clip(x, 0.0, 1.0) if likelihood.unit_interval else x)
