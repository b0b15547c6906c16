"""JAX by hand: the same loss as ours, and nothing of ours."""

import ast
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax.benchmarks.peers import jax_by_hand, prepare


@pytest.mark.parametrize("name", ["autoencoder", "vae", "contractive", "sparse", "convolutional"])
def test_the_loss_is_ours(name, small_task):
    task, expected = small_task(name)
    params = jax.tree.map(jnp.asarray, (list(task.encoder), list(task.decoder)))
    x = jnp.asarray(task.images[:8]) / jnp.float32(255.0)
    np.testing.assert_allclose(jax_by_hand.loss(task, params, jax.random.key(0), x), expected, rtol=2e-5)


@pytest.mark.parametrize("peer", ["jax-scan", "jax-loop"])
def test_training_starts_anew_and_the_loss_falls(peer, small_task):
    train = prepare(peer, small_task("autoencoder").task)
    seconds, losses = train(3)
    assert len(seconds) == 3
    assert losses[0] > losses[1] > losses[2]
    assert train(3)[1] == losses


def test_scan_and_loop_take_the_same_steps(small_task):
    task = small_task("autoencoder").task
    np.testing.assert_allclose(prepare("jax-scan", task)(2)[1], prepare("jax-loop", task)(2)[1], rtol=1e-5)


def test_nothing_of_this_package_is_imported():
    imports = [
        node for node in ast.walk(ast.parse(Path(jax_by_hand.__file__).read_text())) if isinstance(node, ast.ImportFrom)
    ]
    assert not any(node.module.startswith("ae_jax") for node in imports)
