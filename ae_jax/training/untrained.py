"""A run before its first epoch: what training is compared with, and where parameters from elsewhere find a place."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ae_jax.models import Autoencoder
from ae_jax.training.environment import environment
from ae_jax.training.plan import plan
from ae_jax.training.population import initial_population
from ae_jax.training.run import Run


def untrained(autoencoder: Autoencoder | Sequence[Autoencoder], data: Any, *, seeds: int | Sequence[int] = 0) -> Run:
    """The members that :func:`ae_jax.fit` would train, with the parameters that it would begin with.

    Parameters that were found elsewhere take their place by ``dataclasses.replace(untrained(...), params=...)``, every
    leaf with a leading member axis.

    Args:
      autoencoder: one, or several that differ only in numbers.
      data: what it is for, a :class:`ae_jax.data.Dataset` or an array of examples ``[n, *shape]``; its shape, range
        and scaling are the run's.
      seeds: one seed, or several different ones.

    Returns:
      The run, of no epoch.

    Raises:
      InvalidInput: as of :func:`ae_jax.fit`.

    Example:
      >>> import ae_jax
      >>> run = untrained(ae_jax.undercomplete(code=2, hidden=()), ae_jax.data.digits(), seeds=[0, 1])
      >>> run.encode(ae_jax.data.digits().test.x).shape, run.best_epoch.tolist()
      ((2, 359, 2), [0, 0])
    """
    planned = plan(autoencoder, data, seeds=seeds, epochs=1, batch_size=jax.device_count(), patience=None)
    _, selection = initial_population(planned.autoencoder, planned.seeds, planned.dataset.shape)
    return Run(
        autoencoder=planned.autoencoder,
        seeds=planned.seeds,
        data=planned.dataset.spec,
        params=selection.params,
        history={},
        best_epoch=np.asarray(jax.device_get(selection.epoch)),
        finite=np.asarray(jax.device_get(selection.finite)),
        settings={"epochs": 0},
        record=environment(),
        single=planned.single,
    )
