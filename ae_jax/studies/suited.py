"""Builds a named autoencoder that suits a data set."""

import inspect
from typing import Any

from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder, named
from ae_jax.objectives import GaussianLikelihood


def suited(name: str, dataset: Dataset, **hyperparameters: Any) -> tuple[Autoencoder, list[str]]:
    """Builds a named autoencoder with a likelihood that matches the data's range and with the data's classes.

    A likelihood of values in [0, 1] gives way to a Gaussian where the data leave that range. A hyper-parameter
    ``classes`` is the number of the data's classes. Values that are given are kept.

    Args:
      name: of the autoencoder.
      dataset: the data.
      hyperparameters: of the autoencoder; others have their defaults.

    Returns:
      The autoencoder, and a sentence where its likelihood is not the default.

    Raises:
      InvalidInput: no autoencoder has that name, a hyper-parameter cannot be used, or the data lack classes.

    Example:
      >>> from ae_jax.data import from_arrays
      >>> suited("variational", from_arrays(np.linspace(-1, 1, 20).reshape(10, 2)))[0].objective.likelihood
      GaussianLikelihood(scale=1.0)
    """
    make = named(name)
    parameters, chosen, messages = inspect.signature(make).parameters, dict(hyperparameters), []
    default = parameters["likelihood"].default if "likelihood" in parameters else None
    if "likelihood" not in chosen and default and default.unit_interval and not dataset.spec.unit_interval:
        chosen["likelihood"] = GaussianLikelihood()
        low, high = dataset.range
        messages.append(f"{name} has a Gaussian likelihood: values from {low:g} to {high:g} are not in [0, 1].")
    if "classes" in parameters and "classes" not in chosen:
        if not dataset.classes:
            raise InvalidInput(f"{name} needs the class of each example, and {dataset.name} has no labels of classes.")
        chosen["classes"] = len(dataset.classes)
    return make(**chosen), messages
