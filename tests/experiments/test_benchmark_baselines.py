"""The benchmark's baselines compute our loss at the same parameters, and train."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.baselines import jax_by_hand, missing, prepare, pythae_trainer, pytorch
from benchmarks.baselines.torch_networks import image_tensor, networks

needs_torch = pytest.mark.skipif(missing("pytorch") is not None, reason="PyTorch comes with the extra bench.")
needs_pythae = pytest.mark.skipif(missing("pythae") is not None, reason="pythae comes with the extra bench.")

# PyTorch warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")


@pytest.mark.parametrize("name", ["autoencoder", "vae", "contractive", "sparse", "convolutional"])
def test_the_loss_of_jax_by_hand_is_ours(name, small_task):
    task, expected = small_task(name)
    params = jax.tree.map(jnp.asarray, (list(task.encoder), list(task.decoder)))
    x = jnp.asarray(task.images[:8]) / jnp.float32(255.0)
    np.testing.assert_allclose(jax_by_hand.loss(task, params, jax.random.key(0), x), expected, rtol=2e-5)


def test_scan_and_loop_take_the_same_steps_and_start_anew(small_task):
    task = small_task("autoencoder").task
    scan = prepare("jax-scan", task)
    losses = scan(3)[1]
    assert losses[0] > losses[1] > losses[2]
    assert scan(3)[1] == losses
    np.testing.assert_allclose(losses, prepare("jax-loop", task)(3)[1], rtol=1e-5)


# The convolutional network's initial values are ours in another order.
@needs_torch
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("autoencoder", 2e-5), ("vae", 2e-5), ("contractive", 2e-5), ("sparse", 2e-5), ("convolutional", 0.1)],
)
def test_the_loss_of_pytorch_is_ours(name, tolerance, small_task):
    task, expected = small_task(name)
    found = pytorch.loss(task, *networks(task), image_tensor(task)[:8].float() / task.scale).item()
    np.testing.assert_allclose(found, expected, rtol=tolerance)


@needs_torch
@pytest.mark.parametrize("mode", ["jacrev", "jacfwd"])
def test_automatic_differentiation_gives_the_closed_form_and_its_gradient(mode, small_task):
    task = small_task("contractive").task
    gradients = []
    for jacobian in (None, mode):
        encoder, decoder = networks(task)
        pytorch.loss(task, encoder, decoder, image_tensor(task)[:2].float() / task.scale, jacobian).backward()
        gradients.append(encoder[0].weight.grad.numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-3, atol=1e-5)


@needs_torch
def test_pytorch_starts_anew_and_its_loss_falls(small_task):
    train = prepare("pytorch", small_task("autoencoder").task)
    losses = train(3)[1]
    assert losses[0] > losses[1] > losses[2]
    np.testing.assert_allclose(train(1)[1], losses[:1], rtol=0.05)


@needs_pythae
@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_the_loss_of_pythae_is_ours(name, small_task):
    task, expected = small_task(name)
    output = pythae_trainer.model_of(task)({"data": image_tensor(task)[:8].float() / task.scale})
    np.testing.assert_allclose(output.loss.item(), expected, rtol=2e-5)


@needs_pythae
def test_pythae_is_silent_starts_anew_and_its_loss_falls(small_task, capfd):
    train = prepare("pythae", small_task("vae").task)
    losses = train(3)[1]
    assert losses[0] > losses[1] > losses[2]
    np.testing.assert_allclose(train(3)[1], losses, rtol=1e-3)
    assert capfd.readouterr() == ("", "")
