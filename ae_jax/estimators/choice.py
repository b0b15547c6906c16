"""From the parameters of an estimator to the autoencoder that they describe."""

import inspect
from collections.abc import Mapping
from typing import Any

from ae_jax._checks import positive_whole
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, unknown
from ae_jax.models import Autoencoder, named
from ae_jax.studies import suited


def choose(autoencoder: Any, code: Any, hyperparameters: Any, dataset: Dataset) -> Autoencoder:
    """The autoencoder that the parameters of an estimator describe, for data in model units.

    A named one has the likelihood that suits the data (:func:`ae_jax.studies.suited`), unless one is given.

    Args:
      autoencoder: a name in :data:`ae_jax.NAMED`, or a composition.
      code: size of the code of a named one; None for its default.
      hyperparameters: further ones of a named one, by their names; None for the defaults.
      dataset: what it is to be trained on.

    Raises:
      InvalidInput: an unknown name, a hyper-parameter that the named autoencoder does not have, a code or
        hyper-parameters beside a composition, a code given twice, or something else than these.

    Example:
      >>> from ae_jax.data import from_arrays
      >>> choose("sparse", 4, {"weight": 2.0}, from_arrays(np.eye(8))).networks.code
      4
    """
    if isinstance(autoencoder, Autoencoder):
        if code is not None or hyperparameters:
            what = f"code={code!r}" if code is not None else f"hyperparameters={hyperparameters!r}"
            raise InvalidInput(
                f"{what} was given beside the composition {autoencoder.name!r}: expected it in the composition itself."
            )
        return autoencoder
    if not isinstance(autoencoder, str):
        raise InvalidInput(
            f"autoencoder={autoencoder!r} was given: expected a name, such as 'undercomplete', or an "
            "ae_jax.Autoencoder."
        )
    return suited(autoencoder, dataset, **_named_hyperparameters(autoencoder, code, hyperparameters))[0]


def _named_hyperparameters(autoencoder: str, code: Any, hyperparameters: Any) -> dict[str, Any]:
    accepted = inspect.signature(named(autoencoder)).parameters
    if not isinstance(hyperparameters, Mapping | None):
        raise InvalidInput(
            f"hyperparameters={hyperparameters!r} was given: expected a dict, such as {{'hidden': (64,)}}."
        )
    chosen = dict(hyperparameters or {})
    for name in chosen:
        if name not in accepted:
            raise unknown(f"hyper-parameter of {autoencoder}", str(name), accepted)
    if code is not None and "code" in chosen:
        raise InvalidInput(f"code={code!r} was given, and {chosen['code']!r} in hyperparameters: expected it once.")
    return chosen if code is None else chosen | {"code": positive_whole(autoencoder, "code", code)}
