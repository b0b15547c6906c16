"""PyTorch by hand, where it is installed: the same loss as ours, whichever way."""

import numpy as np
import pytest

from ae_jax.benchmarks.peers import prepare

pytest.importorskip("torch", reason="PyTorch comes with the extra bench, which tests do not need.")

from ae_jax.benchmarks.peers import pytorch
from ae_jax.benchmarks.peers.torch_networks import images_of, networks

# PyTorch warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")


def loss_of(task, jacobian=None):
    encoder, decoder = networks(task)
    return pytorch.loss(task, encoder, decoder, images_of(task)[:8].float() / task.scale, jacobian).item()


@pytest.mark.parametrize("name", ["autoencoder", "vae", "contractive", "sparse"])
def test_the_loss_is_ours(name, small_task):
    task, expected = small_task(name)
    np.testing.assert_allclose(loss_of(task), expected, rtol=2e-5)


def test_the_convolutional_network_is_ours_but_for_the_order_of_its_initial_values(small_task):
    task, expected = small_task("convolutional")
    encoder, decoder = networks(task)
    numbers = sum(parameter.numel() for parameter in (*encoder.parameters(), *decoder.parameters()))
    assert numbers == sum(array.size for layer in (*task.encoder, *task.decoder) for array in layer)
    assert decoder(encoder(images_of(task)[:2].float())).shape == (2, 1, 28, 28)
    np.testing.assert_allclose(loss_of(task), expected, rtol=0.1)


@pytest.mark.parametrize("mode", ["jacrev", "jacfwd"])
def test_automatic_differentiation_gives_the_closed_form_and_its_gradient(mode, small_task):
    task = small_task("contractive").task
    gradients = []
    for jacobian in (None, mode):
        encoder, decoder = networks(task)
        x = images_of(task)[:2].float() / task.scale
        pytorch.loss(task, encoder, decoder, x, jacobian).backward()
        gradients.append(encoder[0].weight.grad.numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-3, atol=1e-5)


def test_training_starts_anew_and_the_loss_falls(small_task):
    train = prepare("pytorch", small_task("autoencoder").task)
    seconds, losses = train(3)
    assert len(seconds) == 3
    assert losses[0] > losses[1] > losses[2]
    np.testing.assert_allclose(train(1)[1], losses[:1], rtol=0.05)


@pytest.mark.parametrize("name", ["autoencoder", "convolutional"])
def test_the_compiled_loop_trains_as_the_eager_one(name, small_task):
    task = small_task(name).task
    try:
        losses = prepare("pytorch-compiled", task)(2)[1]
    except RuntimeError as error:
        pytest.skip(f"torch.compile does not work here: {error}")
    np.testing.assert_allclose(losses, prepare("pytorch", task)(2)[1], rtol=0.05)
