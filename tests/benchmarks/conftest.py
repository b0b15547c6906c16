"""Small tasks with a loss that needs no noise, and what we say that loss is."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax.benchmarks.images import blobs
from ae_jax.benchmarks.works import WORKS, Task, initial_params, layers_of, task_of


class Small(NamedTuple):
    """A task of a batch of eight, and the loss of its first batch at its initial parameters by our objective."""

    task: Task
    loss: float


def quiet(name: str) -> Small:
    """A work on 32 images; of a stochastic encoder, the scale is so small that latents are their means."""
    work = WORKS[name]
    autoencoder = work.autoencoders()[0]
    images = blobs(32).reshape(32, *work.shape)
    params = initial_params(autoencoder, work.shape)
    task = task_of(autoencoder, images, 8, scale=255.0)
    if task.loss == "elbo":
        last = max(params["encoder"], key=int)
        bias = params["encoder"][last]["bias"].copy()
        bias[len(bias) // 2 :] = -15.0
        kernel = params["encoder"][last]["kernel"].copy()
        kernel[:, len(bias) // 2 :] = 0.0
        params["encoder"][last] = {"bias": bias, "kernel": kernel}
        encoder, decoder = layers_of(params)
        task = dataclasses.replace(task, encoder=encoder, decoder=decoder)
    networks = autoencoder.bind(work.shape, jax.tree.map(jnp.asarray, params))
    x = np.float32(images[:8]) / np.float32(255)
    loss, _ = autoencoder.objective(networks, jax.random.key(0), jnp.asarray(x), 0)
    return Small(task, float(loss))


@pytest.fixture(scope="session")
def small_task() -> Callable[[str], Small]:
    """:func:`quiet`, each work once a session."""
    known: dict[str, Small] = {}

    def of(name: str) -> Small:
        if name not in known:
            known[name] = quiet(name)
        return known[name]

    return of
