import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax.evaluation import jacobian_norm, jacobian_spectrum
from ae_jax.networks import MLP, deterministic
from ae_jax.training import untrained


def test_a_linear_encoder_s_norm_is_its_kernel_s_everywhere(small):
    linear = dataclasses.replace(ae_jax.undercomplete(), networks=MLP(hidden=(), code=3))
    run = ae_jax.fit(linear, small, seeds=[5, 6], epochs=1, batch_size=16)
    norms = jacobian_norm(run, small.test.x)
    kernels = run.params["networks"]["encoder"][0]["kernel"]
    assert kernels.shape == (2, 64, 3)
    expected = [np.linalg.norm(np.asarray(kernel)) for kernel in kernels]
    assert abs(expected[0] - expected[1]) > 1e-3 * expected[0]
    np.testing.assert_allclose(norms, np.repeat(np.array(expected)[:, None], 20, axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    "autoencoder",
    [ae_jax.variational(code=3, hidden=(12,)), ae_jax.convolutional(code=3, channels=(4,))],
    ids=lambda autoencoder: autoencoder.name,
)
def test_the_norm_is_that_of_jax_s_own_jacobian_of_the_encoder(autoencoder, small, bound):
    run = ae_jax.fit(autoencoder, small, seeds=5, epochs=1, batch_size=16)
    networks = bound(run)
    # In model units: digits' counts over 16.
    x = jnp.asarray(small.test.x[:4], jnp.float32) / 16
    jacobians = jax.jit(jax.vmap(jax.jacfwd(lambda example: deterministic(networks.encode(example[None]))[0])))(x)
    assert jacobians.shape == (4, run.autoencoder.networks.code, 8, 8)
    expected = np.sqrt(np.square(jacobians).sum(axis=(1, 2, 3)))
    assert np.ptp(expected) > 1e-4 * expected.max()
    norms = jacobian_norm(run, small.test.x)
    assert norms.shape == (20,)
    np.testing.assert_allclose(norms[:4], expected, rtol=1e-4)


@pytest.mark.parametrize("code", [5, 70])  # narrower and wider than the 64 pixels
def test_the_squares_of_the_spectrum_sum_to_that_of_the_norm(code, small):
    run = untrained(ae_jax.contractive(code=code, hidden=()), small)
    spectra = jacobian_spectrum(run, small.test.x)
    assert spectra.shape == (20, min(code, 64))
    np.testing.assert_allclose(np.linalg.norm(spectra, axis=1), jacobian_norm(run, small.test.x), rtol=1e-4)
