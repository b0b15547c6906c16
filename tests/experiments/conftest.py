"""Makes the modules of ``experiments/`` importable, as for its scripts, and gives small benchmark tasks."""

import dataclasses
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax.types import Batch

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))


class SmallTask(NamedTuple):
    """A task of batches of eight, and our objective's loss of its first batch at its initial parameters."""

    task: Any
    loss: float


@pytest.fixture(scope="session")
def small_task() -> Callable[[str], SmallTask]:
    """Gives a workload on 32 images; a stochastic encoder's scale is so small that latents equal their means."""
    from benchmarks.workloads import WORKLOADS, blobs, initial_params, layers_of, task_of

    @cache
    def of(name: str) -> SmallTask:
        workload = WORKLOADS[name]
        autoencoder = workload.autoencoders()[0]
        images = blobs(32).reshape(32, *workload.shape)
        params = initial_params(autoencoder, workload.shape)
        task = task_of(autoencoder, images, 8, scale=255.0)
        if task.loss == "elbo":
            last = params["encoder"][max(params["encoder"], key=int)]
            units = len(last["bias"]) // 2
            last["bias"] = np.concatenate([last["bias"][:units], np.full(units, -15.0, np.float32)])
            last["kernel"] = np.concatenate([last["kernel"][:, :units], 0 * last["kernel"][:, units:]], axis=1)
            encoder, decoder = layers_of(params)
            task = dataclasses.replace(task, encoder=encoder, decoder=decoder)
        model = autoencoder.bind(workload.shape, {"networks": jax.tree.map(jnp.asarray, params)})
        x = jnp.asarray(np.float32(images[:8]) / np.float32(255))
        return SmallTask(task, float(autoencoder.objective(model, jax.random.key(0), Batch(x), 0)[0]))

    return of
