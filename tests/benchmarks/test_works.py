"""The works that are compared."""

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.benchmarks.images import blobs, digit_images
from ae_jax.benchmarks.peers import PEERS
from ae_jax.benchmarks.works import WHOLE_BATCHES, WORKS, parameters, whole


def test_the_works_are_those_that_are_asked_for():
    assert {name: work.batches for name, work in WORKS.items()} == {
        "autoencoder": (64, 128, 512),
        "vae": (64, 128, 512),
        "convolutional": (128,),
        "convolutional-population": (128,),
        "contractive": (100,),
        "contractive-step": (100,),
        "sparse": (128,),
        "sweep": (32,),
    }
    assert {peer for work in WORKS.values() for peer in work.peers} == set(PEERS)
    assert WORKS["sweep"].members == 32
    assert WORKS["sweep"].epochs == 50


@pytest.mark.parametrize("name", ["autoencoder", "vae", "sparse", "contractive", "convolutional"])
def test_a_task_says_what_the_autoencoder_is(name, small_task):
    task = small_task(name).task
    work = WORKS[name]
    inputs, outputs = 784, 784
    if name == "convolutional":
        assert [kernel.shape for kernel, _ in task.encoder] == [(3, 3, 1, 16), (3, 3, 16, 32), (7 * 7 * 32, 16)]
        assert [kernel.shape for kernel, _ in task.decoder] == [(16, 7 * 7 * 32), (3, 3, 32, 64), (3, 3, 16, 4)]
    else:
        assert task.encoder[0][0].shape[0] == inputs
        assert task.decoder[-1][0].shape[1] == outputs
    assert task.images.shape == (32, *work.shape)
    assert task.steps == 4
    assert task.learning_rate == 1e-3
    assert task.loss == ("elbo" if name == "vae" else "squared_error")
    assert (task.contractive, task.sparsity) == {"sparse": (0.0, 1.0), "contractive": (0.1, 0.0)}.get(name, (0.0, 0.0))


def test_layers_are_in_the_order_of_their_numbers():
    task = WORKS["vae"].task(blobs(64), 64)
    assert [kernel.shape for kernel, _ in task.encoder] == [(784, 512), (512, 32)]
    assert [kernel.shape for kernel, _ in task.decoder] == [(16, 512), (512, 784)]
    assert parameters(task) == 784 * 512 + 512 + 512 * 32 + 32 + 16 * 512 + 512 + 512 * 784 + 784


def test_every_batch_is_full():
    for name, work in WORKS.items():
        images = np.zeros((whole(20_000), 28, 28), np.uint8)
        for batch in work.batches:
            assert len(work.data(images, batch)) % batch == 0, name
    assert WHOLE_BATCHES % 128 == 0


def test_a_work_takes_its_share_and_its_steps():
    images = blobs(512)
    assert len(WORKS["autoencoder"].data(images, 64)) == 512
    assert len(WORKS["convolutional"].data(images, 128)) == 128
    assert len(WORKS["contractive-step"].data(images, 100)) == 300
    np.testing.assert_array_equal(WORKS["sweep"].data(images, 32), digit_images(512))
    assert len(WORKS["sweep"].data(np.zeros((19_968, 28, 28), np.uint8), 32)) == 1792


def test_fewer_examples_than_a_batch_are_refused():
    with pytest.raises(InvalidInput) as error:
        WORKS["convolutional"].data(blobs(128), 128)
    assert str(error.value) == (
        "the work convolutional has 32 examples of 128: expected at least a batch of 128; ask for more examples or a "
        "smaller batch."
    )
