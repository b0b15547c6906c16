"""What the estimators share: parameters, one way to train, and inference that treats every row alike."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ae_jax._checks import positive_whole, widths
from ae_jax.data import Dataset, Scaling, from_arrays
from ae_jax.errors import InvalidInput
from ae_jax.estimators.choice import choose
from ae_jax.estimators.columns import ColumnScaling, fit_columns
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training import Run, fit
from ae_jax.types import Shape

TYPES: Any = [np.float64, np.float32]
"""Rows keep the first of these that they have; others become the first."""

_ANYTHING = 1e36
"""Wider than 32-bit floats can differ in a hundredth part, so that no row is too far away to be scored."""


class AutoencoderEstimator(BaseEstimator):
    """An autoencoder with scikit-learn's manners; :class:`AutoencoderTransformer` tells of the parameters."""

    _fitted_last: ClassVar[str] = "run_"
    """The attribute that is there only once all others are."""

    @no_type_check  # any value may be set; those that cannot be used are refused when they are
    def __init__(
        self,
        autoencoder: Any = "undercomplete",
        *,
        code: int | None = None,
        hyperparameters: dict[str, Any] | None = None,
        scaling: str | None = "standard",
        image_shape: Shape | None = None,
        epochs: int = 100,
        batch_size: int = 64,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        random_state: Any = None,
    ):
        self.autoencoder = autoencoder
        self.code = code
        self.hyperparameters = hyperparameters
        self.scaling = scaling
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state

    def score(self, X: Any, y: Any = None) -> float:
        """How well rows are reconstructed: minus the mean reconstruction loss of a row; higher is better.

        The loss is that of the autoencoder's likelihood, summed over features, in model units: squared error, or nats.
        Penalties and divergences are no part of it. It compares sizes of the code, epochs and penalties, but not
        likelihoods or scalings with each other. A Bernoulli likelihood knows values in [0, 1] only: of a row that
        leaves the range which was fitted, it is the loss against the nearest of them.

        Args:
          X: rows, ``[n, n_features]``.
          y: ignored.
        """
        return -float(np.mean(self._apply(_loss, self._examples(self._validated(X)))))

    def _validated(self, X: Any, *, reset: bool = False) -> np.ndarray:
        """Rows of finite numbers; unless it is they that decide, with the columns of those that were fitted."""
        if not reset:
            check_is_fitted(self, self._fitted_last)
        return np.asarray(validate_data(self, X, reset=reset, dtype=TYPES))

    def _train(self, X: Any) -> np.ndarray:
        """Fits the scaling and trains anew; the rows as they were given, validated."""
        rows = self._validated(X, reset=True)
        scaling = fit_columns(self.scaling, rows)
        seed = self._drawn_seed()
        dataset = self._dataset(scaling(rows), self._fraction(), seed)
        scaling.as_stored(dataset.shape)  # refuses columns beyond 32 bits before anything is trained
        autoencoder = choose(self.autoencoder, self.code, self.hyperparameters, dataset)
        self._require(autoencoder, len(rows))
        run = fit(
            autoencoder,
            dataset,
            seeds=seed,
            epochs=self.epochs,
            batch_size=self._batch_size(dataset),
            patience=self.patience,
        )
        self._keep(run, scaling, rows)
        return rows

    def _require(self, autoencoder: Autoencoder, rows: int) -> None:
        """Raises a sentence where the autoencoder cannot be used, or so few rows, before it is trained."""

    def _keep(
        self, run: Run, scaling: ColumnScaling, rows: np.ndarray, seen: tuple[float, float] | None = None
    ) -> None:
        """The fitted attributes of a run in model units; it is kept with the scaling, so that it takes rows itself.

        Their range is that of the rows, and of those that were seen before.
        """
        low, high = seen or (np.inf, -np.inf)
        names = getattr(self, "feature_names_in_", None)
        data = dataclasses.replace(
            run.data,
            low=min(low, float(rows.min())),
            high=max(high, float(rows.max())),
            columns=None if names is None or len(run.shape) > 1 else tuple(map(str, names)),
            scaling=scaling.as_stored(run.shape),
        )
        self.scaling_ = scaling
        self.run_ = dataclasses.replace(_in_numpy(run), data=data)
        self.history_ = {
            split: {term: values[0] for term, values in terms.items()} for split, terms in run.history.items()
        }
        self.n_iter_ = len(self.history_["train"]["loss"])

    def _dataset(self, scaled: np.ndarray, validation: float, seed: int) -> Dataset:
        """Examples in model units, a fraction of them held out."""
        shape = self._shape(scaled.shape[1])
        examples = scaled.reshape(-1, *shape)
        return from_arrays(examples, name="X", validation=validation, test=0.0, scaling=Scaling(), seed=seed)

    def _shape(self, columns: int) -> Shape:
        """The shape of one example."""
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
        """The fraction of rows that is held out for validation."""
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
        """Examples in a step; all, where there are fewer than asked for."""
        return min(positive_whole(self, "batch_size", self.batch_size), dataset.training_examples)

    def _drawn_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**32, dtype=np.uint32))

    def _examples(self, rows: np.ndarray) -> np.ndarray:
        """Rows in model units, in double precision, ``[n, *shape]``."""
        return self.scaling_(rows.astype(np.float64)).reshape(-1, *self.run_.shape)

    def _scaled_run(self) -> Run:
        """The run for examples that are in model units already, and may be any number."""
        data = dataclasses.replace(
            self.run_.data, scaling=Scaling(), columns=None, low=-_ANYTHING, high=_ANYTHING, likelihood=_OF_ANY_NUMBER
        )
        return dataclasses.replace(self.run_, data=data)

    def _apply(self, function: Callable[..., Any], *arrays: Any, per_member: Any = None) -> Any:
        """:meth:`ae_jax.Run.apply` in double precision, so that rounding does not tell which rows came together."""
        with jax.enable_x64(True):
            run = self._scaled_run()
            run = dataclasses.replace(run, params=jax.device_put(run.params))
            return run.apply(function, *arrays, per_member=per_member)


_OF_ANY_NUMBER = "GaussianLikelihood"
"""What :class:`ae_jax.data.DataSpec` calls data that need not lie in [0, 1]."""


def _in_numpy(run: Run) -> Run:
    """The run without arrays of a device, as it is pickled and sent to other processes."""
    autoencoder, params, state = jax.tree.map(np.asarray, (run.autoencoder, run.params, run.state))
    return dataclasses.replace(run, autoencoder=autoencoder, params=params, state=state)


def code_of_batch(autoencoder: Autoencoder, networks: Any, scaling: Scaling, x: Any) -> Any:
    """Codes, for :meth:`AutoencoderEstimator._apply`."""
    return deterministic(networks.encode(scaling(x)))


def data_of_batch(autoencoder: Autoencoder, networks: Any, scaling: Scaling, z: Any) -> Any:
    """What codes stand for, in model units."""
    return autoencoder.objective.likelihood.mean(networks.decode(z))


def _loss(autoencoder: Autoencoder, networks: Any, scaling: Scaling, x: Any) -> Any:
    likelihood = autoencoder.objective.likelihood
    outputs = networks.decode(code_of_batch(autoencoder, networks, scaling, x))
    return likelihood(outputs, jnp.clip(x, 0.0, 1.0) if likelihood.unit_interval else x)
