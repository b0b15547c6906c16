"""Latents of a run: posteriors, straight lines between codes, and traversals of units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset


def test_the_posterior_has_the_mean_and_the_scale_of_the_encoder(population: Run, small: Dataset):
    x = small.test.x[:4]
    mean, scale = population.posterior(x)
    np.testing.assert_array_equal(mean, population.encode(x))
    params = jax.tree.map(lambda leaf: leaf[1], population.params)
    model = population.members[1].bind(population.shape, params)
    np.testing.assert_allclose(scale[1], np.exp(model.encode(jnp.asarray(x, jnp.float32) / 16).log_scale), rtol=1e-4)


def test_a_deterministic_encoder_has_no_posterior(run: Run, small: Dataset):
    with pytest.raises(InvalidInput, match="undercomplete has no Gaussian posterior: expected a stochastic encoder"):
        run.posterior(small.test.x)


def test_a_line_between_codes_is_decoded(population: Run, run: Run, small: Dataset):
    a, b = small.test.x[:2], small.test.x[2:4]
    line = population.interpolate(a, b, steps=3)
    assert line.shape == (4, 2, 3, 8, 8)
    np.testing.assert_allclose(line[:, :, 0], population.reconstruct(a), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(line[:, :, -1], population.reconstruct(b), rtol=1e-4, atol=1e-4)
    middle = run.decode((run.encode(a) + run.encode(b)) / 2)
    np.testing.assert_allclose(run.interpolate(a, b, steps=3)[:, 1], middle, rtol=1e-4, atol=1e-4)
    with pytest.raises(InvalidInput, match="interpolate was given 2 and 1 examples: expected as many"):
        run.interpolate(a, b[:1])


def test_a_traversal_moves_one_unit_from_the_mean_code(population: Run, run: Run, small: Dataset):
    x = small.test.x
    examples, units, values = run.traverse(x, [2], span=3.0, steps=5)
    codes = run.encode(x).astype(np.float64)
    expected = np.tile(codes.mean(axis=0), (5, 1))
    expected[:, 2] += np.linspace(-3, 3, 5) * codes[:, 2].std()
    assert units.tolist() == [2]
    np.testing.assert_allclose(values[0], expected[:, 2])
    np.testing.assert_allclose(examples[0], run.decode(expected), rtol=1e-4, atol=1e-4)
    found = population.traverse(x, 2, steps=3)
    assert found.examples.shape == (4, 2, 3, 8, 8)
    spread = population.encode(x).std(axis=1)
    np.testing.assert_array_equal(found.units, np.argsort(-spread, axis=1, kind="stable")[:, :2])
    of_one = run.traverse(x[:1], [0], span=1.5, steps=2)
    np.testing.assert_allclose(of_one.values, run.encode(x[:1])[:, :1] + [-1.5, 1.5], rtol=1e-5)
    for units, span, sentence in ((2, 0.0, "span=0.0"), ([3], 1.0, r"units=\[3\]: expected some of 0 to 2")):
        with pytest.raises(InvalidInput, match=sentence):
            run.traverse(x, units, span)
