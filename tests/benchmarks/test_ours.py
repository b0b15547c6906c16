"""Our own training as the benchmark times it."""

import numpy as np

import ae_jax
from ae_jax.benchmarks.images import digit_images
from ae_jax.benchmarks.ours import ours


def test_every_call_starts_anew_and_says_the_loss_of_the_first_member():
    x = digit_images(64)
    choices = [ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 1e-2)]
    train = ours(choices, x, 16, scale=16.0, seeds=[5, 6])
    seconds, losses = train(4)
    assert len(seconds) == 2
    assert min(seconds) > 0
    assert train(4)[1] == losses
    run = ae_jax.fit(choices[0], np.float32(x) / 16, seeds=5, epochs=4, batch_size=16)
    np.testing.assert_allclose(losses, run.history["train"]["loss"][0], rtol=1e-4)
