"""Parameters of the estimators, and the autoencoder that they describe."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, no_type_check

import numpy as np

from ae_jax._checks import positive_whole
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, require_known
from ae_jax.models import Autoencoder, named
from ae_jax.studies import suited
from ae_jax.types import Shape


@no_type_check  # scikit-learn lets any value be set; fit checks the values
@dataclasses.dataclass(eq=False, repr=False)
class TrainingParameters:
    """Parameters of every estimator, described in :class:`ae_jax.estimators.AutoencoderTransformer`."""

    autoencoder: str | Autoencoder = "undercomplete"
    _: dataclasses.KW_ONLY
    code: int | None = None
    hyperparameters: dict[str, Any] | None = None
    scaling: str | None = "standard"
    image_shape: Shape | None = None
    epochs: int = 100
    batch_size: int = 64
    validation_fraction: float = 0.0
    patience: int | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: bool = False


@no_type_check
@dataclasses.dataclass(eq=False, repr=False)
class DetectorParameters(TrainingParameters):
    """Parameters of every detector, described in :class:`ae_jax.estimators.AutoencoderDetector`."""

    _: dataclasses.KW_ONLY
    anomaly_score: str = "reconstruction_error"
    score_options: dict[str, Any] | None = None
    contamination: float | str = "auto"


def choose(autoencoder: Any, code: Any, hyperparameters: Any, dataset: Dataset) -> Autoencoder:
    """Returns the autoencoder that the parameters of an estimator describe, for data in model units.

    A named one has the likelihood that fits the data (:func:`ae_jax.studies.suited`), unless one is given.
    """
    if isinstance(autoencoder, Autoencoder):
        if code is not None or hyperparameters:
            what = f"code={code!r}" if code is not None else f"hyperparameters={hyperparameters!r}"
            raise InvalidInput(
                f"{what} was given beside the autoencoder {autoencoder.name!r}: set it in the autoencoder."
            )
        return autoencoder
    if not isinstance(autoencoder, str):
        raise InvalidInput(
            f"autoencoder={autoencoder!r} was given: expected a name, such as 'undercomplete', or an "
            "ae_jax.Autoencoder."
        )
    if not isinstance(hyperparameters, Mapping | None):
        raise InvalidInput(
            f"hyperparameters={hyperparameters!r} was given: expected a dict, such as {{'hidden': (64,)}}."
        )
    chosen = dict(hyperparameters or {})
    for name in chosen:
        require_known(f"hyper-parameter of {autoencoder}", name, list(inspect.signature(named(autoencoder)).parameters))
    if code is not None:
        if "code" in chosen:
            raise InvalidInput(f"code={code!r} was given, and {chosen['code']!r} in hyperparameters: give it once.")
        chosen["code"] = positive_whole(autoencoder, "code", code)
    return suited(autoencoder, dataset, **chosen)[0]
