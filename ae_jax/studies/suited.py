"""Named autoencoders as a data set wants them."""

import inspect
from typing import Any

from ae_jax.data import Dataset
from ae_jax.models import Autoencoder, named
from ae_jax.objectives import GaussianLikelihood


def suited(name: str, dataset: Dataset, **hyperparameters: Any) -> tuple[Autoencoder, list[str]]:
    """A named autoencoder whose likelihood is that of the data, unless one is among the hyper-parameters.

    A likelihood of values in [0, 1] gives way to a Gaussian where the data leave them; a squared error, which suits any
    data, stays.

    Args:
      name: of the autoencoder.
      dataset: the data.
      hyperparameters: of the autoencoder; others have their defaults.

    Returns:
      The autoencoder, and a sentence where its likelihood is not the default.

    Raises:
      InvalidInput: nobody bears the name, or a hyper-parameter cannot be used.

    Example:
      >>> from ae_jax.data import from_arrays
      >>> suited("variational", from_arrays(np.linspace(-1, 1, 20).reshape(10, 2)))[0].objective.likelihood
      GaussianLikelihood(scale=1.0)
    """
    make = named(name)
    chosen = dict(hyperparameters)
    default = inspect.signature(make).parameters["likelihood"].default
    messages = []
    if "likelihood" not in chosen and default.unit_interval and not dataset.spec.unit_interval:
        chosen["likelihood"] = GaussianLikelihood()
        low, high = dataset.range
        messages.append(f"{name} has a Gaussian likelihood: values from {low:g} to {high:g} are not in [0, 1].")
    return make(**chosen), messages
