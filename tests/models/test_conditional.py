"""Labels reach the encoder and the decoder as NumPy would append them, and labels that cannot be used are refused."""

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax.errors import InvalidInput


@pytest.fixture(scope="module")
def run(small):
    return ae_jax.fit(ae_jax.conditional(code=2, hidden=()), small, seeds=[0, 1], epochs=2, batch_size=16)


def test_encoder_and_decoder_append_the_one_hot_label(run, small):
    member, x, labels = run[0], small.test.x[:5], small.test.labels[:5]
    params = jax.tree.map(lambda leaf: np.asarray(leaf[0], np.float64), member.params["networks"])
    one_hot = np.eye(10)[[member.data.classes.index(label) for label in labels.tolist()]]
    rows = np.concatenate([x.reshape(5, -1) / 16.0, one_hot], axis=1)
    mean = (rows @ params["encoder"][0]["kernel"] + params["encoder"][0]["bias"])[:, :2]
    np.testing.assert_allclose(member.encode(x, labels), mean, rtol=1e-4, atol=1e-5)
    logits = np.concatenate([mean, one_hot], axis=1) @ params["decoder"][0]["kernel"] + params["decoder"][0]["bias"]
    expected = 16.0 / (1.0 + np.exp(-logits))
    np.testing.assert_allclose(member.reconstruct(x, labels).reshape(5, -1), expected, rtol=1e-3, atol=1e-3)


def test_samples_follow_their_class(run):
    sevens, again, zeros = (run.sample(4, condition=label) for label in (7, 7, 0))
    assert sevens.shape == (2, 4, 8, 8)
    np.testing.assert_array_equal(sevens, again)
    assert np.abs(sevens - zeros).max() > 1e-3
    np.testing.assert_allclose(run.sample(2, condition=[7, 0])[:, 1], zeros[:, 1], rtol=1e-5)


def test_labels_that_cannot_be_used_are_refused(run, small):
    x = small.test.x[:3]
    with pytest.raises(InvalidInput, match="is conditional: expected condition="):
        run.encode(x)
    with pytest.raises(InvalidInput, match="12"):
        run.encode(x, [1, 2, 12])
    with pytest.raises(InvalidInput, match="expected at most 5"):
        ae_jax.fit(ae_jax.conditional(classes=5), small, epochs=1)
    with pytest.raises(InvalidInput, match="has no class labels"):
        ae_jax.fit(ae_jax.conditional(), small.train.x, epochs=1)
