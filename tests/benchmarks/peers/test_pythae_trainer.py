"""pythae's trainer, where it is installed: the same loss as ours."""

import numpy as np
import pytest

from ae_jax.benchmarks.peers import prepare

pytest.importorskip("pythae", reason="pythae comes with the extra bench, which tests do not need.")

from ae_jax.benchmarks.peers import pythae_trainer
from ae_jax.benchmarks.peers.torch_networks import images_of


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_the_loss_is_ours(name, small_task):
    task, expected = small_task(name)
    model = pythae_trainer.model_of(task)
    output = model({"data": images_of(task)[:8].float() / task.scale})
    np.testing.assert_allclose(output.loss.item(), expected, rtol=2e-5)


@pytest.mark.parametrize("name", ["vae", "convolutional"])
def test_training_is_silent_starts_anew_and_the_loss_falls(name, small_task, capfd):
    train = prepare("pythae", small_task(name).task)
    seconds, losses = train(3)
    assert len(seconds) == 3
    assert losses[0] > losses[1] > losses[2]
    np.testing.assert_allclose(train(3)[1], losses, rtol=1e-3)
    assert capfd.readouterr() == ("", "")
