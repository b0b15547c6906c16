"""Features for the Fréchet distance of images: the last hidden layer of a small classifier, trained once and kept."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import ae_jax
from ae_jax import Autoencoder, Optimizer
from ae_jax.data import Dataset
from ae_jax.networks import MLP
from ae_jax.objectives import Reconstruction
from ae_jax.training import fine_tune, untrained


def features_of(data: Dataset, folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a map of images in the units of the data, ``[n, *shape]``, to 64 features each.

    The classifier has 256 and 64 rectified units and a softmax layer; seed 0, Adam at 1e-3, five epochs in batches of
    128, of which the one with the lowest validation error is kept. It is saved in the folder, and read where it is.
    """
    place = folder / data.name
    if not place.exists():
        networks = MLP(hidden=(256,), code=64, activation="relu", code_activation="relu")
        start = untrained(Autoencoder(name="features", networks=networks, objective=Reconstruction()), data)
        fine_tune(start, data, optimizer=Optimizer(learning_rate=1e-3), epochs=5, batch_size=128).run.save(place)
    return ae_jax.load(place).encode
